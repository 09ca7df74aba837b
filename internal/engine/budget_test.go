package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// A run whose turn at Halo is far away gives its worker slot back, spends no
// attempt, keeps what it has done and goes on from there.
func TestBudgetPutsARunOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1000)
	conn := w.connect("acme", "main")
	var requests, people atomic.Int64
	engine := New(Config{Store: w.store, Allow: w.engine.allow,
		Budget: func(_ context.Context, instance, limit string, class ratelimit.Class) error {
			if instance != Instance(conn.Domain, "") || limit != "" {
				t.Errorf("budget of %q at %q", instance, limit)
			}
			if class == ratelimit.Person {
				people.Add(1)
			}
			if n := requests.Add(1); n > 6 && n < 100 {
				return &ratelimit.BudgetError{After: 7 * time.Second}
			}
			return nil
		},
	})
	j := job(all(conn))
	_, err := engine.Import(t.Context(), j)
	if after, put := tasks.IsLater(err); !put || after != 7*time.Second {
		t.Fatalf("%v, want to come again in 7 s", err)
	}
	run := w.run(j)
	if run.State != repo.StateQueued || run.Pages == 0 {
		t.Errorf("%s after %d pages: %s", run.State, run.Pages, run.Error)
	}
	requests.Store(100)
	if _, err := engine.Import(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if run := w.run(j); run.State != repo.StateSucceeded || !run.Complete {
		t.Errorf("%s: %s", run.State, run.Error)
	}
	if people.Load() != 0 {
		t.Errorf("%d requests of an import of everything in the name of a person", people.Load())
	}
	j = job(tasks.ImportArgs{Tenant: "acme", ConnectionID: conn.ID.String(), ClientIDs: []int64{2, 3}, RequestedBy: "test"})
	if _, err := engine.Import(t.Context(), j); err != nil || people.Load() == 0 {
		t.Errorf("an import of two clients: %v, %d requests in the name of a person", err, people.Load())
	}
}

// The budget is told of each 429, with the wait that Halo asked for.
func TestBudgetIsToldOfThrottling(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10, halotest.WithProfile(halotest.Profile{RateLimit: 1, RateWindow: time.Minute, RetryAfter: halotest.RetryAfterSeconds}))
	type told struct {
		instance string
		age      time.Duration
		after    time.Duration
	}
	var all []told
	engine := New(Config{Store: w.store, Allow: w.engine.allow, Throttled: func(instance, _ string, sent time.Time, after time.Duration) {
		all = append(all, told{instance, time.Since(sent), after})
	}})
	if _, err := engine.AddConnection(t.Context(), "acme", "test", w.input("main")); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.TestConnection(t.Context(), "acme", "main"); err == nil {
		t.Fatal("the second request in a minute was let through")
	}
	if len(all) == 0 {
		t.Fatal("nobody was told")
	}
	for _, a := range all {
		if a.instance != Instance(w.halo.ResourceServer(), "") || a.age < 0 || a.age > 30*time.Second || a.after < 30*time.Second || a.after > time.Minute {
			t.Errorf("told %+v", a)
		}
	}
}

// However an address is written, it is one instance with one budget.
func TestInstance(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"https://acme.halopsa.com/api":     "acme.halopsa.com",
		"https://ACME.halopsa.com:443/api": "acme.halopsa.com",
		"https://acme.halopsa.com./api":    "acme.halopsa.com",
		"https://halo.example:8443":        "halo.example:8443",
		"http://127.0.0.1:443/api":         "127.0.0.1:443",
		"acme.halopsa.com":                 "acme.halopsa.com",
	} {
		if got := Instance(domain, ""); got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
	if one, two := Instance("https://halo.example", "Acme"), Instance("https://halo.example/api", "acme"); one != two {
		t.Errorf("%s and %s", one, two)
	}
	if one, two := Instance("https://halo.example", "acme"), Instance("https://halo.example", "globex"); one == two {
		t.Errorf("two tenants are %s", one)
	}
}
