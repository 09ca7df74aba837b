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
	id     string // the id in the path, as written
	allow  string // the methods that the path allows
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
	c.route, c.id, c.allow = routeOf(r)
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
	case RouteAuthInfo, RouteDiscovery, RouteInstance:
		c.tenant = h.lookup(values.Get("tenant"))
		return c
	case RouteList, RouteTopLevels, RouteSites, RouteUsers, RouteReports:
		c.query = parseQuery(values, c.route, c.p)
	default:
	}
	c.token = h.credential(r.Header)
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

// The routes that the simulator knows. Any other request, including one with a wrong
// method, is RouteOther.
const (
	RouteToken     Route = "POST /token"
	RouteDiscovery Route = "GET /.well-known/openid-configuration"
	RouteAuthInfo  Route = "GET /authinfo"
	RouteInstance  Route = "GET /InstanceInfo"
	RouteAgent     Route = "GET /Agent/me"
	RouteList      Route = "GET /Client"
	RouteDetail    Route = "GET /Client/{id}"
	RouteSave      Route = "POST /Client"
	RouteDelete    Route = "DELETE /Client/{id}"
	RouteTopLevels Route = "GET /TopLevel"
	RouteSites     Route = "GET /Site"
	RouteUsers     Route = "GET /Users"
	RouteReports   Route = "GET /Report"
	RouteReport    Route = "GET /Report/{id}"
	RouteWebhooks  Route = "GET /Webhook"
	RouteOther     Route = "other"
)

// routeOf returns the route of a request, the id in its path and the methods
// that the path allows. If the path is unknown, id and allow are empty.
func routeOf(r *http.Request) (route Route, id, allow string) {
	route = RouteOther
	for _, candidate := range [...]Route{
		RouteToken, RouteDiscovery, RouteAuthInfo, RouteInstance, RouteAgent, RouteList, RouteDetail, RouteSave, RouteDelete,
		RouteTopLevels, RouteSites, RouteUsers, RouteReports, RouteReport, RouteWebhooks,
	} {
		got, ok := candidate.match(r.URL.Path)
		if !ok {
			continue
		}
		method, _, _ := strings.Cut(string(candidate), " ")
		if allow != "" {
			allow += ", "
		}
		allow += method
		if r.Method == method {
			route, id = candidate, got
		}
	}
	return route, id, allow
}

// match reports whether a path belongs to the route, and returns the id in the path. Path
// matching ignores case, because both /api/client and /api/Client are used in production.
func (r Route) match(path string) (id string, ok bool) {
	server := "/api"
	if r == RouteToken || r == RouteDiscovery {
		server = "/auth"
	}
	_, template, _ := strings.Cut(string(r), " ")
	base, hasID := strings.CutSuffix(template, "{id}")
	n := len(server) + len(base)
	if len(path) < n || !strings.EqualFold(path[:len(server)], server) || !strings.EqualFold(path[len(server):n], base) {
		return "", false
	}
	id = path[n:]
	return id, hasID == (id != "") && !strings.Contains(id, "/")
}

// isAPI reports whether a request is for the resource server.
func isAPI(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.URL.Path), "/api/")
}
