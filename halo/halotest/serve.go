package halotest

import "net/http"

// ServeHTTP answers one request. It first applies the faults that answer in
// place of Halo. It then checks the request limit, the route, the token, its
// scope and the parameters. Finally, it applies the other faults, updates the
// log, runs the hooks and sends the response. A request is therefore in the log
// before its client receives the answer.
func (h *Halo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.server.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer h.server.leave()

	c := h.accept(r)
	h.journal.arrive(c, h.now)
	defer h.journal.leave(c)
	c.fault = h.script.strike(c)

	a := h.answer(c)
	h.journal.settle(c, a)
	h.hooks.fire(c, a)
	h.send(w, c, a)
	h.bodies.put(a)
}

// answer returns the answer to c, including faults.
func (h *Halo) answer(c *call) answer {
	ctx := c.r.Context()
	if !h.server.wait(ctx, c.p.Latency) || c.fault != nil && !h.server.wait(ctx, c.fault.delay) {
		return answer{end: endBroken}
	}
	if c.fault == nil {
		return h.route(c)
	}
	if c.fault.gate != nil && !c.fault.gate.hold(ctx.Done(), h.server.closing) {
		return answer{end: endBroken}
	}
	if a, instead := c.fault.instead(c, h); instead {
		return a
	}
	return c.fault.damage(h.route(c))
}

// route returns Halo's own answer.
func (h *Halo) route(c *call) answer {
	if c.counts() {
		if wait, over := h.limiter.take(c.limitKey(), h.now, c.p); wait > 0 {
			return throttled(c.p, over, h.now(), wait)
		}
	}
	switch c.route {
	case RouteToken:
		return h.issue(c)
	case RouteDiscovery:
		return discovery(c)
	case RouteAuthInfo, RouteInstance:
		return instance(c)
	case RouteOther:
	default:
		return h.protected(c)
	}
	if c.allow != "" {
		return answer{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {c.allow}}}
	}
	return answer{status: http.StatusNotFound}
}

// protected answers the requests that need a token with the right scope. Errors
// have no body (Midtown-Technology-Group/halocli).
func (h *Halo) protected(c *call) answer {
	if !h.tokens.use(c.token, h.now(), c.p.TokenUses) {
		return answer{status: http.StatusUnauthorized}
	}
	if !permits(c.token.scopes, c.route, c.p) {
		return answer{status: http.StatusForbidden}
	}
	switch c.route {
	case RouteDetail:
		return detail(c)
	case RouteSave:
		return save(c)
	case RouteDelete:
		return remove(c)
	case RouteAgent:
		return agent(c)
	case RouteReport:
		return report(c)
	case RouteWebhooks:
		return success([]byte(`[]`))
	default:
		return list(c, h.bodies.get())
	}
}
