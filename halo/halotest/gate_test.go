package halotest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"
)

// await waits until a gate holds n requests.
func (g *Gate) await(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); g.Held() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests wait at the gate, want %d", g.Held(), n)
		}
	}
}

// Matching requests wait; other requests pass. PassOne lets a single request
// pass, and Open lets all pass.
func TestGate(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.tenant.Add(Client{ID: 1, Raw: "{}"})
	g := r.Gate(Rule{Page: 2})
	const page = "/api/Client?pageinate=true&page_no="
	if rep := r.get(page + "1"); rep.status != http.StatusOK {
		t.Fatalf("another page: %+v", rep)
	}
	answers := make(chan reply, 3)
	var going sync.WaitGroup
	for range 3 {
		going.Go(func() { answers <- r.get(page + "2") })
	}
	g.await(t, 3)
	if len(answers) != 0 {
		t.Fatal("a request passed the closed gate")
	}
	if !g.PassOne() {
		t.Error("PassOne let no request pass")
	}
	if rep := <-answers; rep.status != http.StatusOK {
		t.Errorf("the request that passed: %+v", rep)
	}
	g.await(t, 2)
	g.Open()
	g.Open() // safe to repeat
	going.Wait()
	for range 2 {
		if rep := <-answers; rep.status != http.StatusOK {
			t.Errorf("after Open: %+v", rep)
		}
	}
	if rep := r.get(page + "2"); rep.status != http.StatusOK || g.PassOne() {
		t.Errorf("a later request: %+v", rep)
	}
	again := r.Gate(Rule{Page: 2}) // for the same requests
	go func() { answers <- r.get(page + "2") }()
	again.await(t, 1)
	again.Open()
	if rep := <-answers; rep.status != http.StatusOK {
		t.Errorf("a second gate: %+v", rep)
	}
	if l := r.Log(); l.Faults[KindHold] != 4 || l.Statuses[http.StatusOK] != 6 {
		t.Errorf("log: %+v", l)
	}
}

// A held request ends when its client gives up, or when the instance is closed.
func TestGateEndsWithTheClient(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	g := r.Gate(Rule{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan reply, 1)
	go func() { ended <- r.send(ctx, http.MethodGet, "/api/Client", "", "Authorization", "Bearer "+r.token) }()
	g.await(t, 1)
	cancel()
	if rep := <-ended; !errors.Is(rep.err, context.Canceled) {
		t.Errorf("got %+v", rep)
	}
	g.await(t, 0)
	go func() { ended <- r.get("/api/Client") }()
	g.await(t, 1)
	r.Close() // returns only when the request has ended
	if rep := <-ended; rep.err == nil {
		t.Errorf("closed: %+v", rep)
	}
}
