package halotest

import (
	"maps"
	"net/url"
	"sync"
	"time"
)

// Log holds the counts of requests to a [Halo] at one point in time.
type Log struct {
	Tally                    // all tenants together
	Tenants map[string]Tally // by name; requests without a known tenant count under ""
}

// Tally counts requests. Requests, Routes and Pages count a request when it
// arrives. The other fields count a request when its answer is fixed.
type Tally struct {
	Requests      int
	Routes        map[Route]int
	Pages         map[int]int  // list requests by page_no; 0: unpaged
	Statuses      map[int]int  // 0: the connection ended without an answer
	Faults        map[Kind]int // requests with a fault
	Tokens        int          // tokens issued
	Bytes         int64        // total size of the bodies to send
	MaxConcurrent int          // maximum number of requests in progress
	// MaxInWindow is the maximum number of requests in any rolling
	// [Profile.RateWindow]. It counts the requests to which the limit applies,
	// including refused and faulted ones. The maxima of the tenants do not add up to the
	// maximum of all requests.
	MaxInWindow int
}

// Request is one request and its answer, for [Halo.OnRequest].
type Request struct {
	Nth      int // counts the instance's requests from 1
	Tenant   string
	ClientID string // of the application; "" if unknown
	Route    Route
	Method   string
	Path     string
	Query    url.Values
	Page     int // page of a list; 0: unpaged
	Status   int // 0: the connection ended without an answer
	Bytes    int // bytes of the response body that were sent
	Fault    Kind
	Start    time.Time
	Agent    string // User-Agent
}

// Log returns a copy of the log.
func (h *Halo) Log() Log {
	j := &h.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	l := Log{Tally: j.total.copy(), Tenants: make(map[string]Tally)}
	for name, t := range j.tenants {
		l.Tenants[name] = t.copy()
	}
	return l
}

// ResetLog resets the counts of the log. Request numbers continue.
func (h *Halo) ResetLog() {
	j := &h.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	concurrent := j.total.concurrent
	j.total, j.tenants = tally{concurrent: concurrent}, nil
}

// journal keeps the log.
type journal struct {
	mu      sync.Mutex
	nth     int
	total   tally
	tenants map[string]*tally
}

type tally struct {
	Tally
	concurrent int
	recent     window
}

func (t *tally) copy() Tally {
	c := t.Tally
	c.Routes, c.Pages = maps.Clone(c.Routes), maps.Clone(c.Pages)
	c.Statuses, c.Faults = maps.Clone(c.Statuses), maps.Clone(c.Faults)
	return c
}

// both returns the total tally and the tally of c's tenant.
func (j *journal) both(c *call) [2]*tally {
	t := j.tenants[c.tenantName()]
	if t == nil {
		if j.tenants == nil {
			j.tenants = make(map[string]*tally)
		}
		t = new(tally)
		j.tenants[c.tenantName()] = t
	}
	return [2]*tally{&j.total, t}
}

// arrive counts a request and sets its number and time.
func (j *journal) arrive(c *call, now func() time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c.start = now()
	j.nth++
	c.nth = j.nth
	for _, t := range j.both(c) {
		t.Requests++
		count(&t.Routes, c.route)
		if c.route == RouteList {
			count(&t.Pages, c.query.page)
		}
		t.concurrent++
		t.MaxConcurrent = max(t.MaxConcurrent, t.concurrent)
		if c.counts() {
			n := t.recent.prune(c.start, c.p.RateWindow) + 1
			t.recent.add(c.start)
			t.MaxInWindow = max(t.MaxInWindow, n)
		}
	}
}

// settle counts the answer.
func (j *journal) settle(c *call, a answer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.both(c) {
		count(&t.Statuses, a.status)
		t.Bytes += int64(a.sent())
		if a.token {
			t.Tokens++
		}
		if c.fault != nil {
			count(&t.Faults, c.fault.kind)
		}
	}
}

// leave counts the end of the request.
func (j *journal) leave(c *call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.both(c) {
		t.concurrent = max(t.concurrent-1, 0)
	}
}

func count[K comparable](m *map[K]int, key K) {
	if *m == nil {
		*m = make(map[K]int)
	}
	(*m)[key]++
}

// request returns c as a [Request].
func (c *call) request(a answer) Request {
	r := Request{
		Nth: c.nth, Tenant: c.tenantName(), Route: c.route, Method: c.r.Method, Path: c.r.URL.Path,
		Query: c.r.URL.Query(), Page: c.query.page, Status: a.status, Bytes: a.sent(),
		Start: c.start, Agent: c.r.UserAgent(),
	}
	if c.app != nil {
		r.ClientID = c.app.id
	}
	if c.fault != nil {
		r.Fault = c.fault.kind
	}
	return r
}
