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
)

// While suggestions of a tenant are being computed, a second request of the same tenant is
// refused, but a request of another tenant is not. If Postgres is busy with suggestions of
// other tenants, the caller gets an error that says so.
func TestSuggestionsPerTenant(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 30)
	bounds := repo.NewBounds(4, 2)
	limited := w.engine.With(func(c *enginetest.Config) {
		c.Store, c.Suggestions = w.store.Bounded(bounds), bulkhead.New("suggestions", 10, 1)
	})
	for _, tenant := range []string{"bravo", "acme"} {
		side := w.halo.Tenant(tenant)
		side.App(testApp, testSecret)
		side.Seed(30, 7)
		in := w.input("c")
		in.HaloTenant = tenant
		if _, err := w.engine.AddConnection(t.Context(), tenant, "test", in); err != nil {
			t.Fatal(err)
		}
	}
	gate := w.halo.Gate(halotest.Rule{Tenant: w.halo.Tenant("bravo"), Route: halotest.RouteList})
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := limited.Suggest(t.Context(), "bravo", "c", 0); err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	for gate.Held() == 0 {
		time.Sleep(time.Millisecond) //nolint:forbidigo // polls for a condition
	}
	_, err := limited.Suggest(t.Context(), "bravo", "c", 0)
	if p := problem.Of(err); p.Status != http.StatusTooManyRequests || p.RetryAfter == 0 {
		t.Errorf("the second of the same tenant: %v", err)
	}
	if _, err := limited.Suggest(t.Context(), "acme", "c", 0); err != nil {
		t.Errorf("a neighbour: %v", err)
	}
	gate.Open()
	all.Wait()

	heavy := bounds.Bulkheads()[1]
	for _, tenant := range []string{"globex", "initech"} {
		release, err := heavy.Acquire(t.Context(), 0, tenant, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := limited.Suggest(ctx, "acme", "c", 0)
		failed <- err
	}()
	for range 20 { // at the same time, other tenants use Postgres
		if _, err := limited.FindConnection(t.Context(), "bravo", "c"); err != nil {
			t.Errorf("a neighbour: %v", err)
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("suggestions while Postgres is busy with others': %v", err)
	}
}

// If the memory is in use, a person who reads a large answer gets an error with the advice
// to try again. The same applies to a person who tests new credentials at a hostile
// address.
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
