package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// While a tenant's suggestions are being computed, the tenant's next ones wait in the queue,
// and a neighbour's do not. If all slots for suggestions or Postgres' share is in use, a
// run waits too, and everything else continues.
func TestSuggestionsPerTenant(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 30)
	for _, tenant := range []string{"bravo", "acme", "delta"} {
		side := w.halo.Tenant(tenant)
		side.App(testApp, testSecret)
		side.Seed(30, 7)
		for _, name := range []string{"c", "d"} {
			in := w.input(name)
			in.HaloTenant = tenant
			if _, err := w.engine.AddConnection(t.Context(), tenant, "test", in); err != nil {
				t.Fatal(err)
			}
		}
	}
	worker := w.engine.With(func(c *enginetest.Config) { c.Suggesting = 2 })
	gate := w.halo.Gate(halotest.Rule{Tenant: w.halo.Tenant("bravo"), Route: halotest.RouteList})
	first := w.requestSuggestions("bravo", "c")
	ended := make(chan repo.Run)
	go func() { ended <- w.await(worker, first) }()
	for gate.Held() == 0 {
		time.Sleep(time.Millisecond) //nolint:forbidigo // polls for a condition
	}
	waits := func(by *enginetest.Worker, tenant, connection, why string) repo.Run {
		t.Helper()
		run := w.requestSuggestions(tenant, connection)
		err := by.Execute(t.Context(), run)
		if _, later := tasks.IsLater(err); !later {
			t.Errorf("%s was not postponed: %v", tenant, err)
		}
		if run = runOf(t, w, run); run.State != repo.StateQueued || !strings.Contains(run.WaitReason, why) {
			t.Errorf("%s: %s, waiting for %q, want %q", tenant, run.State, run.WaitReason, why)
		}
		return run
	}
	second := waits(worker, "bravo", "d", "limit of this tenant reached: suggestions")
	w.suggest(worker, "acme", "c", 0)
	slot, err := worker.Bulkheads()[0].Acquire(t.Context(), 0, "globex", 1)
	if err != nil {
		t.Fatal(err)
	}
	delta := waits(worker, "delta", "c", "limit of this worker reached: suggestions")
	slot()
	if run := w.await(worker, delta); run.State != repo.StateSucceeded {
		t.Errorf("a free slot: %s: %s", run.State, run.Error)
	}
	gate.Open()
	if run := <-ended; run.State != repo.StateSucceeded {
		t.Errorf("the first: %s: %s", run.State, run.Error)
	}
	if run := w.await(worker, second); run.State != repo.StateSucceeded {
		t.Errorf("the second of the same tenant: %s: %s", run.State, run.Error)
	}

	defer busyStatements(t, worker)()
	ctx, cancel := context.WithCancel(t.Context())
	failed, run := make(chan error), w.requestSuggestions("acme", "c")
	go func() { failed <- worker.Execute(ctx, run) }()
	for range 20 { // meanwhile, others use Postgres
		if _, err := worker.FindConnection(t.Context(), "bravo", "c"); err != nil {
			t.Errorf("a neighbour: %v", err)
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("suggestions while Postgres is busy with others': %v", err)
	}
}

// A person who reads a large answer while the memory is in use is told to try again. So is
// a person who tests new credentials against a hostile address.
func TestNoMemoryForALargeAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 3)
	conn := w.connect("acme", "c")
	w.halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever},
		halotest.Status(200, `{"record_count":1,"clients":[{"id":1,"logo":"`+strings.Repeat("A", 1<<20)+`"}]}`))
	limited := w.engine.With(func(c *enginetest.Config) { c.Memory = bulkhead.NewMemory(48 << 20) })
	release, err := limited.Config.Memory.Reserve(t.Context(), "acme", 3<<20) // the tenant's whole part
	if err != nil {
		t.Fatal(err)
	}
	var together sync.WaitGroup // each call waits some seconds for memory
	for name, call := range map[string]func() error{
		"browsing": func() error {
			_, err := limited.Browse(t.Context(), "acme", "c", engine.BrowseQuery{})
			return err
		},
		"a test of credentials": func() error {
			_, err := limited.AddConnection(t.Context(), "acme", "test", w.input("d"))
			return err
		},
	} {
		together.Go(func() {
			err := call()
			if p := problem.Of(err); !errors.Is(err, halo.ErrBusy) || p.Status != http.StatusServiceUnavailable || p.RetryAfter == 0 {
				t.Errorf("%s: %v: %+v", name, err, p)
			}
		})
	}
	j := job(all(conn))
	together.Go(func() {
		if _, err := limited.Import(t.Context(), j); err == nil {
			t.Error("the import succeeded")
		}
	})
	together.Wait()
	if run := w.run(j); run.Ended() || run.State != repo.StateQueued {
		t.Errorf("the import is not postponed: %s, %s", run.State, run.Error)
	}
	release()
	if page, err := limited.Browse(t.Context(), "acme", "c", engine.BrowseQuery{}); err != nil || len(page.Clients) != 1 {
		t.Errorf("with memory: %v", err)
	}
}
