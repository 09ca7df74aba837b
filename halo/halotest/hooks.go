package halotest

import "sync"

// PageEvent describes a list page that was answered.
type PageEvent struct {
	Tenant *Tenant
	Page   int // the requested page; 0 for an unpaged list
	Nth    int // counts the tenant's answered pages from 1
	Rows   int // rows in the answer
	Total  int // rows on all pages
}

// hooks are the observers of a [Halo].
type hooks struct {
	run sync.Mutex // held while a hook runs, so that only one runs at a time

	mu       sync.Mutex // guards the fields below
	page     []func(PageEvent)
	request  []func(Request)
	answered map[*Tenant]int
}

// AfterPage calls f for every list page answered with 200, after its rows are
// fixed and before they are sent. A change made by f is therefore visible to the next
// request of a sequential client, regardless of timing. Hooks run one at a time and must
// neither call [Halo.Close] nor send requests.
func (h *Halo) AfterPage(f func(PageEvent)) {
	h.hooks.mu.Lock()
	defer h.hooks.mu.Unlock()
	h.hooks.page = append(h.hooks.page, f)
}

// OnRequest calls f for every request, after its answer is fixed and before the
// answer is sent. The restrictions of [Halo.AfterPage] apply.
func (h *Halo) OnRequest(f func(Request)) {
	h.hooks.mu.Lock()
	defer h.hooks.mu.Unlock()
	h.hooks.request = append(h.hooks.request, f)
}

// fire runs the hooks for the answer to c.
func (k *hooks) fire(c *call, a answer) {
	k.mu.Lock()
	idle := len(k.page) == 0 && len(k.request) == 0
	k.mu.Unlock()
	if idle {
		return
	}

	k.run.Lock()
	defer k.run.Unlock()
	k.mu.Lock()
	page, request := k.page, k.request
	event := PageEvent{Tenant: c.tenant, Page: c.query.page, Rows: a.rows, Total: a.total}
	if a.list && a.complete() {
		if k.answered == nil {
			k.answered = make(map[*Tenant]int)
		}
		k.answered[c.tenant]++
		event.Nth = k.answered[c.tenant]
	}
	k.mu.Unlock()

	for _, f := range request {
		f(c.request(a))
	}
	if event.Nth == 0 {
		return
	}
	for _, f := range page {
		f(event)
	}
}
