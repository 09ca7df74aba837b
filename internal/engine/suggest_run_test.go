package engine_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// requestSuggestions returns the run of a new request.
func (w *fixture) requestSuggestions(tenant, connection string) repo.Run {
	w.t.Helper()
	receipt, err := w.engine.RequestSuggestions(w.t.Context(), tenant, connection, "ann")
	if err != nil {
		w.t.Fatal(err)
	}
	run, err := w.engine.Run(w.t.Context(), tenant, receipt.RunID)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// await executes a run once, as the queue does in the last attempt, and returns the run.
func (w *fixture) await(by *enginetest.Worker, run repo.Run) repo.Run {
	w.t.Helper()
	err := by.Execute(w.t.Context(), run)
	if run, rerr := w.store.Run(w.t.Context(), run.Tenant, run.ID); rerr == nil && run.Ended() {
		return run
	}
	w.t.Fatalf("the run has not ended: %v", err)
	return run
}

// suggest computes the suggestions of a connection and returns them.
func (w *fixture) suggest(by *enginetest.Worker, tenant, connection string, minScore float64) repo.StoredSuggestions {
	w.t.Helper()
	run := w.await(by, w.requestSuggestions(tenant, connection))
	if run.State != repo.StateSucceeded {
		w.t.Fatalf("the run is %s: %s", run.State, run.Error)
	}
	found, err := w.engine.Suggestions(w.t.Context(), tenant, connection, repo.SuggestionFilter{MinScore: minScore})
	if err != nil || found.RunID != run.ID || found.ComputedAt.IsZero() {
		w.t.Fatalf("suggestions of run %s at %v, want %s: %v", found.RunID, found.ComputedAt, run.ID, err)
	}
	return found
}

// certain returns the stored pairs that are unambiguous and score at least 0.9.
func (w *fixture) certain(tenant, connection string) (pairs []tasks.Pair) {
	w.t.Helper()
	found, err := w.engine.Suggestions(w.t.Context(), tenant, connection, repo.SuggestionFilter{MinScore: 0.9, Certain: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range found.Pairs {
		pairs = append(pairs, tasks.Pair{Company: s.CompanyID.String(), ClientID: s.ClientID})
	}
	return pairs
}

// twins adds a connection, and n clients with an existing company of the same name each.
func (w *fixture) twins(names ...string) repo.Connection {
	w.t.Helper()
	for i, name := range names {
		w.tenant.Add(halotest.Client{ID: int64(i + 10), Name: name})
	}
	if _, err := w.engine.AddCompanies(w.t.Context(), "t1", "test", names, ""); err != nil {
		w.t.Fatal(err)
	}
	return w.connect("t1", "c")
}

// stored returns the stored suggestions of the connection c.
func (w *fixture) stored(tenant string) repo.StoredSuggestions {
	w.t.Helper()
	found, err := w.engine.Suggestions(w.t.Context(), tenant, "c", repo.SuggestionFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// busyStatements occupies Postgres' share of a worker's suggestions, so that a run waits
// after it has read Halo.
func busyStatements(t *testing.T, w *enginetest.Worker) (release func()) {
	t.Helper()
	var all []func()
	for _, tenant := range []string{"globex", "initech"} {
		one, err := w.Bulkheads()[1].Acquire(t.Context(), 0, tenant, 1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return sync.OnceFunc(func() {
		for _, one := range all {
			one()
		}
	})
}

// listed returns the number of requests for lists so far.
func (w *fixture) listed() int { return w.halo.Log().Routes[halotest.RouteList] }

// hasRead returns once Halo has received a number of requests for lists.
func (w *fixture) hasRead(requests int) {
	w.t.Helper()
	for w.listed() < requests {
		time.Sleep(time.Millisecond) //nolint:forbidigo // polls for a condition
	}
}

// suggestJob returns the task of a run, with more attempts to come.
func suggestJob(run repo.Run) tasks.Job[tasks.SuggestArgs] {
	args := tasks.SuggestArgs{Tenant: run.Tenant, ConnectionID: run.ConnectionID.String(), RequestedBy: run.RequestedBy}
	return tasks.Job[tasks.SuggestArgs]{RunID: repo.Hex(run.ID), Args: args, Attempt: 1, Draining: make(chan struct{})}
}

// While suggestions are waiting or being computed, every further request joins that run,
// also one in SQL. After the run has ended, a request or a retry starts a new run.
func TestSuggestionRequestsCoalesce(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	conn := w.twins("Bakery Brown")
	first := w.requestSuggestions("t1", "c")
	again, err := w.engine.RequestSuggestions(t.Context(), "t1", conn.ID.String(), "bob")
	if err != nil || !again.Existing || again.RunID != repo.Hex(first.ID) {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	const enqueue = `select replace(halosync.enqueue('suggest', 't1', $1, '{}', 'crm')::text, '-', '')`
	if id := repotest.Value[string](t, w.url, enqueue, conn.ID); id != again.RunID {
		t.Errorf("asked in SQL: run %s, want %s", id, again.RunID)
	}
	if run := w.await(w.engine, first); run.State != repo.StateSucceeded || !run.Complete || run.Records != 1 {
		t.Errorf("%s: %s, %d records", run.State, run.Error, run.Records)
	}
	id := repotest.Value[string](t, w.url, enqueue, conn.ID)
	inSQL, err := w.engine.Run(t.Context(), "t1", id)
	if err != nil || inSQL.ID == first.ID {
		t.Fatalf("asked in SQL after the end: %v", err)
	}
	if run := w.await(w.engine, inSQL); run.State != repo.StateSucceeded || w.stored("t1").RunID != run.ID {
		t.Errorf("the run of SQL: %s: %s", run.State, run.Error)
	}
	retried, err := w.engine.Retry(t.Context(), "t1", repo.Hex(first.ID), "ann")
	if err != nil || retried.Existing || retried.RunID == repo.Hex(first.ID) {
		t.Errorf("retried: %+v, %v", retried, err)
	}
}

// Two workers execute the same run at the same time. Only the newer execution stores its
// list.
func TestSuggestionsAreStoredOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.twins("Bakery Brown")
	release := busyStatements(t, w.engine)
	defer release()
	run := w.requestSuggestions("t1", "c")
	read := w.listed()
	older := make(chan error)
	go func() { older <- w.engine.Execute(t.Context(), run) }()
	w.hasRead(read + 1)
	w.tenant.Add(halotest.Client{ID: 90, Name: "Lamp Light"})
	if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{"Lamp Light"}, ""); err != nil {
		t.Fatal(err)
	}
	if ended := w.await(w.second, run); ended.State != repo.StateSucceeded {
		t.Fatalf("the newer execution: %s: %s", ended.State, ended.Error)
	}
	want := w.stored("t1")
	release()
	if err := <-older; !errors.Is(err, repo.ErrFenced) {
		t.Errorf("the older execution: %v", err)
	}
	if got := w.stored("t1"); !cmp.Equal(got, want) || len(got.Pairs) != 2 {
		t.Errorf("the older execution changed the list: %+v, want %+v", got, want)
	}
}

// An execution that ends between reading and storing leaves the former list, and the next
// execution of the run replaces it.
func TestInterruptedSuggestions(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.twins("Bakery Brown", "Lamp Light")
	former := w.suggest(w.engine, "t1", "c", 0)
	for _, id := range []int64{10, 11} {
		w.tenant.Update(id, func(c *halotest.Client) { c.Name += " Ltd" })
	}
	run := w.requestSuggestions("t1", "c")

	// The execution ends after it has deleted the former list.
	repotest.Exec(t, w.url, `create function crash() returns trigger language plpgsql as $$ begin raise 'crash'; end $$`)
	repotest.Exec(t, w.url, `create trigger crash before insert on halosync.suggestions execute function crash()`)
	if _, err := w.engine.Suggest(t.Context(), suggestJob(run)); err == nil || !strings.Contains(err.Error(), "crash") {
		t.Errorf("the execution: %v", err)
	}
	repotest.Exec(t, w.url, `drop trigger crash on halosync.suggestions`)
	if got := w.stored("t1"); !cmp.Equal(got, former) {
		t.Errorf("half a run changed the list: %s", cmp.Diff(former, got))
	}

	// A worker that stops gives the run back.
	release := busyStatements(t, w.engine)
	defer release()
	draining := make(chan struct{})
	j := suggestJob(run)
	j.Draining, j.Died = draining, true
	read := w.listed()
	ended := make(chan error)
	go func() {
		_, err := w.engine.Suggest(t.Context(), j)
		ended <- err
	}()
	w.hasRead(read + 1)
	close(draining)
	if _, later := tasks.IsLater(<-ended); !later {
		t.Error("the run was not given back when the worker stopped")
	}
	if got := w.stored("t1"); !cmp.Equal(got, former) {
		t.Errorf("a stopping worker changed the list: %s", cmp.Diff(former, got))
	}
	release()
	if done := w.await(w.second, run); done.State != repo.StateSucceeded {
		t.Fatalf("the next execution: %s: %s", done.State, done.Error)
	}
	if got := w.stored("t1"); got.RunID != run.ID || len(got.Pairs) != 2 || !strings.HasSuffix(got.Pairs[0].ClientName, " Ltd") {
		t.Errorf("after the next execution: %+v", got)
	}
}

// A cancelled run stores nothing, also if it was cancelled after the last page.
func TestCancelledSuggestions(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 250)
	w.connect("t1", "c")
	release := busyStatements(t, w.engine)
	for _, stage := range []string{"between pages", "after reading"} {
		run := w.requestSuggestions("t1", "c")
		cancel := func() {
			if _, err := w.engine.Cancel(t.Context(), "t1", repo.Hex(run.ID), "ann"); err != nil {
				t.Error(err)
			}
		}
		gate := w.halo.Gate(halotest.Rule{Route: halotest.RouteList, Page: 2})
		ended := make(chan repo.Run)
		go func() { ended <- w.await(w.engine, run) }()
		for gate.Held() == 0 {
			time.Sleep(time.Millisecond) //nolint:forbidigo // polls for a condition
		}
		if stage == "between pages" {
			cancel()
			gate.Open()
		} else {
			gate.Open()
			for w.engine.Bulkheads()[1].Stats().Used == 2 && runOf(t, w, run).Pages < 2 {
				time.Sleep(time.Millisecond) //nolint:forbidigo // polls for a condition
			}
			cancel()
			release()
		}
		if got := <-ended; got.State != repo.StateCancelled {
			t.Errorf("%s: %s: %s", stage, got.State, got.Error)
		}
	}
	if got := w.stored("t1"); !got.ComputedAt.IsZero() {
		t.Errorf("a cancelled run stored %d pairs", len(got.Pairs))
	}
}

func runOf(t *testing.T, w *fixture, run repo.Run) repo.Run {
	t.Helper()
	run, err := w.store.Run(t.Context(), run.Tenant, run.ID)
	if err != nil {
		t.Fatal(err)
	}
	return run
}
