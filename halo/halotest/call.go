package halotest

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one request that is being answered.
type call struct {
	r      *http.Request
	p      *settings
	nth    int // counts the instance's requests from 1
	start  time.Time
	route  Route
	id     string // the id of RouteDetail, as written
	method string // the method that the path allows
	api    bool
	form   url.Values // the form of RouteToken; nil if the body is not a form
	query  query
	token  *token
	app    *App
	tenant *Tenant // nil: the requested tenant does not exist
	fault  *Fault
}

// accept parses a request and looks up its tenant, application and token. It
// rejects nothing.
func (h *Halo) accept(r *http.Request) *call {
	c := &call{r: r, p: h.settings.Load(), api: isAPI(r)}
	c.route, c.id, c.method = routeOf(r)
	values := r.URL.Query()

	switch c.route {
	case RouteToken:
		c.form = readForm(r)
		name := values.Get("tenant")
		if name == "" {
			name = c.form.Get("tenant")
		}
		c.tenant = h.lookup(name)
		return c
	case RouteAuthInfo, RouteDiscovery:
		c.tenant = h.lookup(values.Get("tenant"))
		return c
	case RouteList:
		c.query = parseQuery(values)
	case RouteDetail, RouteOther:
	}
	c.token = h.tokens.find(r.Header.Get("Authorization"))
	if c.token != nil {
		c.app = c.token.app
		c.tenant = c.app.tenant
	} else {
		c.tenant = h.lookup("") // the tenant of the host itself
	}
	return c
}

// tenantName returns the name under which the call is counted and logged.
func (c *call) tenantName() string {
	if c.tenant == nil {
		return ""
	}
	return c.tenant.name
}

// counts reports whether the request limit applies to the call.
func (c *call) counts() bool { return c.api || c.p.RateCountsToken }

// limitKey returns the key of the window that counts the call.
func (c *call) limitKey() string {
	if c.p.RatePerApp && c.app != nil {
		return c.tenantName() + "\x00" + c.app.id
	}
	return c.tenantName()
}

// Route is a kind of request: its method and the template of its path.
type Route string

// All other requests, including those with a wrong method, are RouteOther.
const (
	RouteToken     Route = "POST /token"
	RouteDiscovery Route = "GET /.well-known/openid-configuration"
	RouteAuthInfo  Route = "GET /authinfo"
	RouteList      Route = "GET /Client"
	RouteDetail    Route = "GET /Client/{id}"
	RouteOther     Route = "other"
)

// routeOf returns the route of a request, the id in its path and the method
// that the path allows. For an unknown path, id and method are empty. Paths
// match in any case, because both /api/client and /api/Client are in production
// use.
func routeOf(r *http.Request) (route Route, id, method string) {
	path := strings.ToLower(r.URL.Path)
	switch path {
	case "/auth/token":
		route, method = RouteToken, http.MethodPost
	case "/auth/.well-known/openid-configuration":
		route, method = RouteDiscovery, http.MethodGet
	case "/api/authinfo":
		route, method = RouteAuthInfo, http.MethodGet
	case "/api/client":
		route, method = RouteList, http.MethodGet
	default:
		const prefix = "/api/client/"
		if !strings.HasPrefix(path, prefix) || strings.Contains(path[len(prefix):], "/") || path == prefix {
			return RouteOther, "", ""
		}
		route, id, method = RouteDetail, r.URL.Path[len(prefix):], http.MethodGet
	}
	if r.Method != method {
		return RouteOther, "", method
	}
	return route, id, method
}

// isAPI reports whether a request is for the resource server.
func isAPI(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.URL.Path), "/api/")
}
