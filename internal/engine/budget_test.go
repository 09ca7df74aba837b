package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// If a run would have to wait a long time for the budget, it frees its worker slot, uses up
// no attempt, and later continues from its checkpoint.
func TestBudgetPutsARunOff(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1000)
	conn := w.connect("acme", "main")
	var requests, people atomic.Int64
	engine := enginetest.New(enginetest.Config{Store: w.store, Allow: w.engine.Config.Allow,
		Budget: func(_ context.Context, instance, limit string, class ratelimit.Class) error {
			if instance != dial.Instance(conn.Domain, "") || limit != "" {
				t.Errorf("budget of %q at %q", instance, limit)
			}
			if class == ratelimit.Interactive {
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
		t.Fatalf("%v, want it postponed for 7 s", err)
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
		t.Errorf("%d interactive requests of an import of all clients", people.Load())
	}
	j = job(tasks.ImportArgs{Tenant: "acme", ConnectionID: conn.ID.String(), ClientIDs: []int64{2, 3}, RequestedBy: "test"})
	if _, err := engine.Import(t.Context(), j); err != nil || people.Load() == 0 {
		t.Errorf("an import of two clients: %v, %d interactive requests", err, people.Load())
	}
}

// Each 429 is reported to the budget with the delay that Halo requested.
func TestThrottlingIsReportedToBudget(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10, halotest.WithProfile(halotest.Profile{RateLimit: 1, RateWindow: time.Minute, RetryAfter: halotest.RetryAfterSeconds}))
	type report struct {
		instance string
		age      time.Duration
		after    time.Duration
	}
	var all []report
	engine := enginetest.New(enginetest.Config{Store: w.store, Allow: w.engine.Config.Allow, Throttled: func(instance, _ string, sent time.Time, after time.Duration) {
		all = append(all, report{instance, time.Since(sent), after})
	}})
	if _, err := engine.AddConnection(t.Context(), "acme", "test", w.input("main")); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.TestConnection(t.Context(), "acme", "main"); err == nil {
		t.Fatal("the second request within a minute was granted")
	}
	if len(all) == 0 {
		t.Fatal("the 429 was not reported")
	}
	for _, a := range all {
		if a.instance != dial.Instance(w.halo.ResourceServer(), "") || a.age < 0 || a.age > 30*time.Second || a.after < 30*time.Second || a.after > time.Minute {
			t.Errorf("reported %+v", a)
		}
	}
}

// A tenant can enter the address of another tenant's Halo together with an authorisation
// server under its own control. The 429 responses from this server must not throttle that
// Halo's connections.
func TestForeignAuthServerDoesNotThrottleAHalo(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10)
	evil := halotest.Start(t)
	evil.Fault(halotest.Rule{Route: "POST /token"}, halotest.Status(429, ""))
	engine := enginetest.New(enginetest.Config{Store: w.store, Allow: w.engine.Config.Allow, RetryBudget: time.Millisecond,
		Throttled: func(instance, _ string, _ time.Time, _ time.Duration) { t.Errorf("%s was throttled", instance) },
	})
	in := w.input("main")
	in.AuthServer = evil.AuthServer()
	if _, err := engine.AddConnection(t.Context(), "eve", "eve", in); !errors.Is(err, halo.ErrThrottled) {
		t.Fatal(err)
	}
}

// Requests with untested credentials count against an allowance of the tenant that
// tests them, so that guessing does not use up another tenant's budget.
func TestUnprovedCredentialsHaveAnAllowance(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10)
	requests := map[string]int{}
	engine := enginetest.New(enginetest.Config{Store: w.store, Allow: w.engine.Config.Allow,
		Budget: func(_ context.Context, instance, limit string, _ ratelimit.Class) error {
			requests[instance]++
			if instance == "tests of eve" && limit == "60/5m" && requests[instance] > 3 {
				return &ratelimit.BudgetError{After: time.Minute}
			}
			return nil
		},
	})
	in := w.input("main")
	in.Secret = secret.NewString("guess")
	for range 3 {
		if _, err := engine.AddConnection(t.Context(), "eve", "eve", in); !errors.Is(err, halo.ErrCredentials) {
			t.Fatal(err)
		}
	}
	_, err := engine.AddConnection(t.Context(), "eve", "eve", in)
	if !errors.As(err, new(*ratelimit.BudgetError)) || !strings.Contains(err.Error(), "many credential tests") {
		t.Errorf("the fourth guess: %v", err)
	}
	if n := requests[dial.Instance(in.Domain, "")]; n != 3 {
		t.Errorf("%d requests from the Halo's budget, want 3", n)
	}
	if _, err := engine.AddConnection(t.Context(), "acme", "ann", w.input("main")); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	before := requests["tests of acme"]
	if _, err := engine.TestConnection(t.Context(), "acme", "main"); err != nil || before == 0 || requests["tests of acme"] != before {
		t.Errorf("verified credentials: %v, allowance use %d before, %d after", err, before, requests["tests of acme"])
	}
}
