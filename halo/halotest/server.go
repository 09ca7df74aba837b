package halotest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is a response before faults get at it.
type answer struct {
	status int
	kind   string // Content-Type; empty: none
	body   []byte
	header http.Header
}

func jsonAnswer(status int, v any) answer {
	return answer{status: status, kind: "application/json; charset=utf-8", body: encode(v)}
}

// Routes, for faults and the log.
const (
	RouteToken  = "token"
	RouteList   = "list"
	RouteDetail = "detail"
	RouteOther  = "other"
)

// ServeHTTP answers one request.
func (h *Halo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := routeOf(r)
	fault, latency := h.enter(r, route)
	defer h.leave()
	if !h.pause(r, latency) {
		return
	}
	if fault != nil && fault.instead() {
		h.sent(0, h.breakOff(w, r, fault))
		return
	}
	if fault != nil && fault.Kind == Expire {
		h.expire(r)
	}
	a := h.answer(r, route, fault)
	h.sent(a.status, h.send(w, r, a, fault))
}

// enter counts a request and picks its fault.
func (h *Halo) enter(r *http.Request, route string) (*Fault, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log.Total++
	h.inside++
	h.log.MaxConcurrent = max(h.log.MaxConcurrent, h.inside)
	page := 0
	switch route {
	case RouteToken:
		h.log.Tokens++
	case RouteList:
		h.log.Lists++
		page = pageOf(r)
		h.log.Pages[page]++
	case RouteDetail:
		h.log.Details++
	}
	f := h.faults.next(route, page)
	if f != nil {
		h.log.Faults[f.Kind.String()]++
	}
	return f, h.profile.Latency
}

func (h *Halo) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inside--
}

func (h *Halo) sent(status int, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log.Statuses[status]++
	h.log.Bytes += int64(n)
}

// routeOf sorts a request by its path, whose case does not matter.
func routeOf(r *http.Request) string {
	path := strings.ToLower(r.URL.Path)
	switch {
	case path == "/auth/token":
		return RouteToken
	case path == "/api/client":
		return RouteList
	case strings.HasPrefix(path, "/api/client/") && strings.Count(path, "/") == 3:
		return RouteDetail
	}
	return RouteOther
}

func pageOf(r *http.Request) int {
	n, _ := strconv.Atoi(r.URL.Query().Get("page_no")) // 0: not a page
	return n
}

// answer computes what a request deserves.
func (h *Halo) answer(r *http.Request, route string, fault *Fault) answer {
	switch route {
	case RouteToken:
		return h.serveToken(r)
	case RouteOther:
		return h.serveOther(r)
	}
	if r.Method != http.MethodGet {
		return answer{status: http.StatusMethodNotAllowed}
	}
	h.mu.Lock()
	tok, refused := h.authorise(r)
	if refused != 0 {
		h.mu.Unlock()
		return answer{status: refused}
	}
	tenant := tok.app.tenant
	h.log.Tenants[tenant.name]++
	if a, ok := h.admit(tenant); !ok {
		h.mu.Unlock()
		return a
	}
	if fault != nil && fault.Kind == EmptyList {
		tok = &token{app: tok.app, rights: ReadNone()}
	}
	var a answer
	var event *PageEvent
	if route == RouteList {
		a, event = h.serveList(r, tenant, tok)
	} else {
		a = h.serveDetail(r, tenant, tok)
	}
	hook := h.afterPage
	h.mu.Unlock()
	if event != nil && hook != nil {
		hook(*event) // without the lock: it changes clients
	}
	return a
}

// serveOther answers the few other routes that clients use. /api/Clients is
// not among them.
func (h *Halo) serveOther(r *http.Request) answer {
	switch strings.ToLower(r.URL.Path) {
	case "/api/authinfo":
		return jsonAnswer(http.StatusOK, map[string]string{"auth_url": "http://" + r.Host + "/auth", "tenant_id": ""})
	case "/auth/.well-known/openid-configuration":
		return jsonAnswer(http.StatusOK, map[string]string{
			"issuer": "http://" + r.Host + "/auth", "token_endpoint": "http://" + r.Host + "/auth/token",
		})
	}
	return answer{status: http.StatusNotFound}
}

// admit takes one request out of the tenant's budget, or answers 429. The
// caller holds the lock.
func (h *Halo) admit(t *Tenant) (answer, bool) {
	p := h.profile
	now := h.now()
	ok, wait, inside := t.window.admit(now, p.RateLimit, p.RateWindow)
	h.log.MaxInWindow = max(h.log.MaxInWindow, inside)
	if ok {
		return answer{}, true
	}
	return throttled(p, now, wait), false
}

// throttled is Halo's 429. The text is what homotechsual/HaloAPI looks for.
func throttled(p Profile, now time.Time, wait time.Duration) answer {
	text := "Rate Limit Reached - " + strconv.Itoa(p.RateLimit) + " Requests per rolling " +
		strconv.Itoa(int(p.RateWindow.Minutes())) + " minute window"
	a := jsonAnswer(http.StatusTooManyRequests, text)
	switch p.ThrottleBody {
	case ThrottleMessage:
		a.body = encode(map[string]string{"Message": text})
	case ThrottleError:
		a.body = encode(map[string]string{"error": text})
	case ThrottleText:
		a.kind, a.body = "text/plain", []byte(text)
	case ThrottleHTML:
		a.kind, a.body = "text/html", []byte("<html><title>"+text+"</title></html>")
	}
	a.header = http.Header{}
	seconds := int((wait + time.Second - 1) / time.Second)
	switch p.RetryAfter {
	case RetryAfterSeconds:
		a.header.Set("Retry-After", strconv.Itoa(seconds))
	case RetryAfterDate:
		a.header.Set("Retry-After", now.Add(time.Duration(seconds)*time.Second).UTC().Format(http.TimeFormat))
	}
	return a
}
