package halotest

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLog(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newFixture(t, WithClock(c.Now))
	r.tenant.Add(Client{ID: 1, Raw: "{}"})
	r.Tenant("acme").App("app", "secret")

	r.login("acme")
	r.list("pageinate=true&page_no=2")
	r.list("pageinate=true&page_no=2")
	c.Advance(time.Minute)
	r.get("/api/Client/9")
	r.get("/api/nonsense")
	r.Fault(Rule{}, Truncate(7))
	r.get("/api/Client")
	c.Advance(5 * time.Minute)
	r.get("/api/Client/1")

	size := int64(2*len(`{"page_no":2,"page_size":50,"record_count":1,"clients":[{}]}`) + 7 + len("{}"))
	host := Tally{
		Requests: 6, Routes: map[Route]int{RouteList: 3, RouteDetail: 2, RouteOther: 1}, Pages: map[int]int{0: 1, 2: 2},
		Statuses: map[int]int{200: 4, 404: 2}, Faults: map[Kind]int{KindTruncate: 1}, Bytes: size, MaxConcurrent: 1, MaxInWindow: 5,
	}
	got := r.Log()
	acme := got.Tenants["acme"]
	if acme.Tokens != 1 || acme.Requests != 1 || acme.MaxInWindow != 0 || acme.Bytes == 0 {
		t.Errorf("acme: %+v", acme)
	}
	if d := cmp.Diff(host, got.Tenants[""]); d != "" {
		t.Error(d)
	}
	host.Requests, host.Tokens, host.Bytes = 7, 1, size+acme.Bytes
	host.Routes[RouteToken], host.Statuses[200] = 1, 5
	if d := cmp.Diff(host, got.Tally); d != "" {
		t.Error(d)
	}

	got.Pages[2] = 99
	if r.Log().Pages[2] != 2 {
		t.Error("a log is not a copy")
	}
	r.ResetLog()
	if d := cmp.Diff(Log{Tenants: map[string]Tally{}}, r.Log()); d != "" {
		t.Error(d)
	}
}

func TestLogOfConcurrentRequests(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	arrived := make(chan struct{}, 3)
	r.OnRequest(func(Request) { arrived <- struct{}{} })
	r.Fault(Rule{Times: 3}, Hang(0))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { r.send(ctx, http.MethodGet, "/api/Client", "", "Authorization", "Bearer "+r.token) })
	}
	for range 3 {
		<-arrived
	}
	if l := r.Log(); l.MaxConcurrent != 3 || l.Statuses[0] != 3 || l.Faults[KindHang] != 3 {
		t.Errorf("while they hang: %+v", l)
	}
	cancel()
	wg.Wait()
}

// A request is in the log before its client receives the answer.
func TestLogPrecedesAnswer(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	for i := range 200 {
		r.get("/api/Client/1")
		if n := r.Log().Statuses[404]; n != i+1 {
			t.Fatalf("%d answers in the log after %d requests", n, i+1)
		}
	}
}

func TestOnRequest(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newFixture(t, WithClock(c.Now))
	var got []Request
	r.OnRequest(func(q Request) { got = append(got, q) })
	r.Fault(Rule{Nth: 2}, Status(502, "oops"))
	r.do(http.MethodGet, "/api/client?pageinate=true&page_no=3&search=x", "", "Authorization", "Bearer "+r.token, "User-Agent", "test")
	r.do(http.MethodGet, "/api/Client/5", "", "User-Agent", "test")
	r.login("")
	for i := range got {
		got[i].Bytes = min(got[i].Bytes, 10)
		got[i].Nth -= 1 // the fixture's own login comes first
	}
	want := []Request{
		{
			Nth: 1, ClientID: "app", Route: RouteList, Method: "GET", Path: "/api/client", Page: 3, Status: 200, Bytes: 10, Start: c.Now(),
			Query: url.Values{"pageinate": {"true"}, "page_no": {"3"}, "search": {"x"}}, Agent: "test",
		},
		{Nth: 2, Route: RouteDetail, Method: "GET", Path: "/api/Client/5", Status: 502, Bytes: 4, Start: c.Now(), Query: url.Values{}, Fault: KindStatus, Agent: "test"},
		{
			Nth: 3, ClientID: "app", Route: RouteToken, Method: "POST", Path: "/auth/token", Status: 200, Bytes: 10, Start: c.Now(),
			Query: url.Values{"tenant": {""}}, Agent: "Go-http-client/1.1",
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
