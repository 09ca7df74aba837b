package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// manyPairs adds n companies and pairs them by id with the clients of plainClients.
func (w *fixture) manyPairs(n int) []tasks.Pair {
	w.t.Helper()
	names, pairs := make([]string, n), make([]tasks.Pair, n)
	for i := range n {
		names[i] = fmt.Sprintf("Company %d", i)
		pairs[i] = tasks.Pair{Company: names[i], ClientID: int64(i + 2)}
	}
	for len(names) > 0 {
		chunk := names[:min(500, len(names))]
		w.addCompanies(chunk...)
		names = names[len(chunk):]
	}
	return pairs
}

// If the worker stops after each chunk, the run continues at the next chunk. Later
// pairs are still checked against the pairs of earlier chunks.
func TestMapGoesOnAtTheNextChunk(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 98)
	conn := w.connect("t1", "c")
	pairs := w.manyPairs(98)
	pairs = append(pairs, pairs[:32]...)
	pairs[90].Company = "Company 3" // already mapped in the first chunk
	j := mapJob(conn, true, pairs...)
	draining := make(chan struct{})
	close(draining)
	stopping := j
	stopping.Draining = draining
	executions := 0
	for {
		executions++
		_, err := w.engine.Map(t.Context(), stopping)
		if run := w.mapRun(j); run.Ended() {
			break
		} else if run.Records != executions*50 {
			t.Fatalf("%d pairs done after %d executions: %v", run.Records, executions, err)
		}
		if after, put := tasks.IsLater(err); !put || after != 0 {
			t.Fatalf("execution %d: %v, want it postponed without a delay", executions, err)
		}
	}
	run := w.mapRun(j)
	same(t, "executions", executions, 3)
	same(t, "counts", counts(run), "partial: 130 records, 0 created, 97 linked, 0 refreshed, 32 unchanged, 0 ambiguous, 0 skipped, 1 failed, complete")
	same(t, "refused", []string{fmt.Sprint(run.Items[0].Pair), run.Items[0].Reason}, []string{"91", "contradicts pair 4, which maps the company to client 5"})
	same(t, "numbers of pairs", []int{len(run.Pairs), run.Pairs[129].Pair}, []int{130, 130})
}

func (w *fixture) mapRun(j tasks.Job[tasks.MapArgs]) repo.Run {
	w.t.Helper()
	run, err := w.engine.Run(w.t.Context(), j.Args.Tenant, j.RunID)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// A run finds the clients of 250 pairs by listing them in a small Halo, but by reading each
// id in a large one.
func TestMapTakesTheCheaperWay(t *testing.T) {
	t.Parallel()
	for clients, limit := range map[int]int{400: 12, 40_000: 260} {
		t.Run(fmt.Sprint(clients), func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off}))
			plainClients(w, clients)
			conn := w.connect("t1", "c")
			pairs := w.manyPairs(250)
			pairs[7].ClientID, pairs[8].ClientID = 0, 1_000_000
			pairs[7].ClientName = w.tenant.Clients()[7].Name
			before := w.halo.Log().Requests
			run := w.mapAll(mapJob(conn, false, pairs...))
			same(t, "counts", counts(run), "partial: 250 records, 0 created, 249 linked, 0 refreshed, 0 unchanged, 0 ambiguous, 0 skipped, 1 failed, complete")
			if used := w.halo.Log().Requests - before; used > limit {
				t.Errorf("%d requests, want at most %d", used, limit)
			}
		})
	}
}

// If two executions of one run overlap, the newer one wins, and each pair has one
// mapping.
func TestMapIsFenced(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 90)
	conn := w.connect("t1", "c")
	j := mapJob(conn, false, w.manyPairs(90)...)
	over := false
	w.before(2, func() {
		over = true
		if _, err := w.second.Map(t.Context(), j); err != nil {
			t.Errorf("newer execution: %v", err)
		}
	})
	_, err := w.engine.Map(t.Context(), j)
	if !over || !errors.Is(err, repo.ErrFenced) {
		t.Errorf("older execution: %v, want a fence error", err)
	}
	same(t, "counts", counts(w.mapRun(j)), "succeeded: 90 records, 0 created, 90 linked, 0 refreshed, 0 unchanged, 0 ambiguous, 0 skipped, 0 failed, complete")
	same(t, "mappings", len(w.mappings("t1")), 90)
}

// If two workers map the same clients to different companies at the same time, each
// client is mapped once and each pair has an outcome.
func TestMapsAtOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 60)
	conn := w.connect("t1", "c")
	pairs := w.manyPairs(120)
	for i := range 60 {
		pairs[60+i].ClientID = pairs[i].ClientID
	}
	jobs := []tasks.Job[tasks.MapArgs]{mapJob(conn, false, pairs[:60]...), mapJob(conn, false, pairs[60:]...)}
	done := make(chan error)
	for i, e := range []*enginetest.Worker{w.engine, w.second} {
		go func() {
			_, err := e.Map(t.Context(), jobs[i])
			done <- err
		}()
	}
	for range jobs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	a, b := w.mapRun(jobs[0]), w.mapRun(jobs[1])
	same(t, "mapped and refused", []int{a.Linked + b.Linked, a.Failed + b.Failed, len(w.mappings("t1"))}, []int{60, 60, 60})
}

// While Halo is down, a run waits and keeps its progress.
func TestMapWaitsForHalo(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 10)
	conn := w.connect("t1", "c")
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = 1 })
	for name, fault := range map[string]halotest.Fault{
		"5xx": halotest.Status(503, ""), "reset": halotest.Reset(), "throttled": halotest.Throttle(0),
	} {
		j := mapJob(conn, false, pairsOf(name+"=2", name+"=3")...)
		w.halo.Fault(halotest.Rule{Times: halotest.Forever}, fault)
		_, err := w.engine.Map(t.Context(), j)
		if after, put := tasks.IsLater(err); !put || after == 0 || w.mapRun(j).State != repo.StateQueued {
			t.Errorf("%s: %v, run %s", name, err, counts(w.mapRun(j)))
		}
		w.halo.ClearFaults()
	}
}

// A run distinguishes broken clients from an outage by the state of Halo's list and by
// the number of failures.
func TestMapTellsABrokenClientFromAnOutage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pairs   int
		listing bool // whether the list fails too
		outcome repo.RunState
	}{
		"broken clients": {5, false, "partial"},
		"outage":         {1, true, "queued"},
		"too many":       {5 + 1, false, "queued"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 0)
			plainClients(w, 10)
			conn := w.connect("t1", "c")
			w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = 1 })
			j := mapJob(conn, false, w.manyPairs(tc.pairs)...)
			w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, Times: halotest.Forever}, halotest.Status(500, ""))
			if tc.listing {
				w.halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever}, halotest.Status(500, ""))
			}
			_, err := w.engine.Map(t.Context(), j)
			run := w.mapRun(j)
			if run.State != tc.outcome || run.State == repo.StatePartial && run.Failed != tc.pairs {
				t.Errorf("%v, %s", err, counts(run))
			}
		})
	}
}

// If Halo fails briefly, clients that can be read on a retry are mapped.
func TestMapTriesABrokenClientAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 3)
	conn := w.connect("t1", "c")
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = 1 })
	w.halo.Fault(halotest.Rule{ClientID: 2}, halotest.Status(500, ""))
	same(t, "outcomes", outcomes(w.mapAll(mapJob(conn, false, w.manyPairs(2)...))), []string{"1 mapped", "2 mapped"})
}

// A cancelled run ends after the current chunk.
func TestMapIsCancelled(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 60)
	conn := w.connect("t1", "c")
	j := mapJob(conn, false, w.manyPairs(60)...)
	w.before(3, func() {
		if _, err := w.engine.Cancel(t.Context(), "t1", j.RunID, "anna"); err != nil {
			t.Error(err)
		}
	})
	run := w.mapAll(j)
	if run.State != repo.StateCancelled || run.Linked != 50 || run.Error != "cancelled after 50 of 60 pairs" {
		t.Errorf("%s: %s", counts(run), run.Error)
	}
}

// An unmapping that is newer than the map request wins.
func TestUnmapWinsOverMap(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 2)
	conn := w.connect("t1", "c")
	pairs := w.manyPairs(1)
	w.mapAll(mapJob(conn, false, pairs...))
	j := mapJob(conn, true, pairs...)
	w.before(1, func() {
		w.unmap(w.mappings("t1")[0].ID)
	})
	same(t, "outcomes", outcomes(w.mapAll(j)), []string{"1 refused: unmapped by a person after this run was requested"})
	same(t, "outcomes of a new request", outcomes(w.mapAll(mapJob(conn, false, pairs...))), []string{"1 mapped"})
}

// unmap unmaps active mappings.
func (w *fixture) unmap(ids ...uuid.UUID) {
	w.t.Helper()
	for _, o := range w.unmapNow(ids...) {
		if o.Outcome != repo.Unmapped {
			w.t.Errorf("unmap %s: %s", o.ID, o.Outcome)
		}
	}
}

func (w *fixture) unmapNow(ids ...uuid.UUID) []repo.MappingOutcome {
	w.t.Helper()
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	outcomes, err := w.engine.UnmapNow(w.t.Context(), "t1", "anna", texts)
	if err != nil {
		w.t.Error(err) // not Fatal, because hooks call unmap from other goroutines
	}
	return outcomes
}
