package halotest

import (
	"net/http"
	"net/url"
	"time"
)

// call is one request in hand.
type call struct {
	r      *http.Request
	p      *settings
	nth    int // counts the requests of the instance from 1
	start  time.Time
	route  Route
	id     string // of RouteDetail, as written
	method string // that the path allows
	api    bool
	form   url.Values // of RouteToken; nil if the body is no form
	query  query
	token  *token
	app    *App
	tenant *Tenant // nil: the request names one that does not exist
	fault  *Fault
}

// accept reads what is needed to know whose request it is. It judges nothing.
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
		c.tenant = h.lookup("") // the host's own
	}
	return c
}

// tenantName is the name under which the call is limited and logged.
func (c *call) tenantName() string {
	if c.tenant == nil {
		return ""
	}
	return c.tenant.name
}

// counts reports whether the limit applies to the call.
func (c *call) counts() bool { return c.api || c.p.RateCountsToken }

// limitKey names the window that the call counts in.
func (c *call) limitKey() string {
	if c.p.RatePerApp && c.app != nil {
		return c.tenantName() + "\x00" + c.app.id
	}
	return c.tenantName()
}
