package repo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestCreateRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	n := w.newRun("all")
	run, existed, err := w.CreateRun(t.Context(), n)
	if err != nil || existed || run.State != repo.StateQueued || string(run.Args) != `{"all": true}` {
		t.Fatalf("%+v %v %v", run, existed, err)
	}
	for what, again := range map[string]repo.NewRun{"same id": n, "same request": w.newRun("all")} {
		got, existed, err := w.CreateRun(t.Context(), again)
		if err != nil || !existed || got.ID != run.ID {
			t.Errorf("%s: %v %v %v", what, got.ID, existed, err)
		}
	}
	if other := must[repo.Claim](t)(w.ClaimRun(t.Context(), n)); other.Run.ID != run.ID {
		t.Errorf("claimed %v", other.Run.ID)
	}
	if _, existed, err := w.CreateRun(t.Context(), w.newRun("all")); err != nil || !existed {
		t.Errorf("while running: %v %v", existed, err)
	}

	bad := w.newRun("all")
	bad.ConnectionID = uuid.New()
	if _, _, err := w.CreateRun(t.Context(), bad); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("unknown connection: %v", err)
	}
	taken := w.newRun("other request")
	taken.ID = run.ID
	if _, _, err := w.CreateRun(t.Context(), taken); !errors.Is(err, repo.ErrConflict) {
		t.Errorf("taken id: %v", err)
	}
	bad = w.newRun("all")
	bad.Kind = "steal"
	if _, _, err := w.CreateRun(t.Context(), bad); !errors.Is(err, repo.ErrInvalid) {
		t.Errorf("unknown kind: %v", err)
	}
}

// Concurrent equal requests from several callers create one run.
func TestCreateRunTogether(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var wg sync.WaitGroup
	ids := make([]uuid.UUID, 12)
	for i := range ids {
		wg.Go(func() {
			run, _, err := w.CreateRun(t.Context(), w.newRun("same"))
			if err != nil {
				t.Error(err)
			}
			ids[i] = run.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		equal(t, "id", id, ids[0])
	}
}

func TestClaimFencesOff(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first := w.claim(t, "k")
	list := clients(3)
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), first.Ref, page(1, list[0]), decider(list[:1])))

	n := repo.NewRun{ID: first.Run.ID, Kind: repo.KindImport, Tenant: w.tenant, ConnectionID: w.conn, RequestKey: "k"}
	second := must[repo.Claim](t)(w.ClaimRun(t.Context(), n))
	equal(t, "attempts", []int{first.Run.Attempt, second.Run.Attempt}, []int{1, 2})
	equal(t, "cursor", []string{string(first.Cursor), string(second.Cursor)}, []string{"", `{"page": 1}`})
	equal(t, "started", second.Run.StartedAt, first.Run.StartedAt)

	stale := func() map[string]error {
		_, err := w.ImportBatch(t.Context(), first.Ref, page(2, list...), func(repo.BatchState) ([]repo.Decision, error) {
			t.Error("decide was called")
			return nil, nil
		})
		return map[string]error{
			"page": err, "release": w.ReleaseRun(t.Context(), first.Ref, "later", time.Time{}),
			"finish": w.FinishRun(t.Context(), first.Ref, repo.Finish{State: repo.StateFailed}),
		}
	}
	for what, err := range stale() {
		if !errors.Is(err, repo.ErrFenced) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), second.Ref, page(2, list[1:]...), decider(list[1:])))
	w.finish(t, second.Ref)
	for what, err := range stale() {
		if !errors.Is(err, repo.ErrFenced) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, first.Run.ID))
	equal(t, "run", []any{run.State, run.Created, run.Pages, run.Complete}, []any{repo.StateSucceeded, 3, 2, true})
}

func TestClaimBusyAndEnded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first := w.claim(t, "k")
	other, same := w.newRun("other"), w.newRun("k")

	var busy *repo.BusyError
	_, err := w.ClaimRun(t.Context(), other)
	if !errors.As(err, &busy) || busy.RunID != first.Run.ID {
		t.Errorf("other bulk run: %v", err)
	}
	waiting := must[repo.Run](t)(w.Run(t.Context(), w.tenant, other.ID))
	if waiting.State != repo.StateQueued || !strings.Contains(waiting.WaitReason, repo.Hex(first.Run.ID)) {
		t.Errorf("the waiting run: %s %q", waiting.State, waiting.WaitReason)
	}
	if _, err := w.ClaimRun(t.Context(), same); !errors.As(err, &busy) || busy.RunID != first.Run.ID {
		t.Errorf("same request: %v", err)
	}
	mapping := w.newRun("m")
	mapping.Kind = repo.KindMap
	must[repo.Claim](t)(w.ClaimRun(t.Context(), mapping)) // not a bulk run
	second := join(t, w.Store, w.url, w.tenant, "second")
	second.claim(t, "k") // another connection is free

	w.finish(t, first.Ref)
	w.finish(t, first.Ref) // repeats a call whose reply was lost
	if err := w.FinishRun(t.Context(), first.Ref, repo.Finish{State: repo.StateFailed}); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("another end: %v", err)
	}
	n := w.newRun("k")
	n.ID = first.Run.ID
	claim, err := w.ClaimRun(t.Context(), n)
	if !errors.Is(err, repo.ErrEnded) || claim.Run.State != repo.StateSucceeded {
		t.Errorf("ended: %v %v", claim.Run.State, err)
	}
	must[repo.Claim](t)(w.ClaimRun(t.Context(), other))

	lost := w.newRun("x")
	lost.ConnectionID = uuid.New()
	if _, err := w.ClaimRun(t.Context(), lost); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("unknown connection: %v", err)
	}
	if err := w.FinishRun(t.Context(), first.Ref, repo.Finish{State: repo.StateQueued}); !errors.Is(err, repo.ErrInvalid) {
		t.Errorf("not an end: %v", err)
	}
}

func TestReleaseAndResume(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	const pages = 450 // more than one chunk of SeenPages
	for number := range pages {
		p := page(number + 1)
		p.PageIDs = []int64{int64(number), int64(number) + 1000}
		must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, p, decider(nil)))
	}
	at := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	if err := w.ReleaseRun(t.Context(), claim.Ref, "Halo is \x00 down \xff"+strings.Repeat("é", 4000), at); err != nil {
		t.Fatal(err)
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, claim.Run.ID))
	if run.State != repo.StateQueued || !run.NotBefore.Equal(at) || !strings.HasPrefix(run.WaitReason, "Halo is \uFFFD down \uFFFD") {
		t.Errorf("released: %+v", run)
	}
	if _, err := w.ImportBatch(t.Context(), claim.Ref, page(999), decider(nil)); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("write after release: %v", err)
	}

	n := w.newRun("k")
	n.ID = claim.Run.ID
	again := must[repo.Claim](t)(w.ClaimRun(t.Context(), n))
	equal(t, "cursor", string(again.Cursor), fmt.Sprintf(`{"page": %d}`, pages))
	for range 2 { // the iterator starts over each time
		number := 0
		for seen, err := range w.SeenPages(t.Context(), again.Ref) {
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "page", seen, repo.SeenPage{Pass: 1, Page: number + 1, ClientIDs: []int64{int64(number), int64(number) + 1000}})
			number++
		}
		equal(t, "pages", number, pages)
	}
	w.finish(t, again.Ref)
	equal(t, "pages left", repotest.Value[int](t, w.url, `select count(*) from halosync.run_pages`), 0)
	conn := must[repo.Connection](t)(w.Connection(t.Context(), w.tenant, w.conn))
	if conn.LastSuccessAt == nil {
		t.Error("last success not set")
	}
}

func TestRequestCancel(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	queued := w.newRun("queued")
	must2(t, func() (any, error) { r, _, err := w.CreateRun(t.Context(), queued); return r, err })
	for range 2 {
		run := must[repo.Run](t)(w.RequestCancel(t.Context(), w.tenant, queued.ID, "bob"))
		equal(t, "queued", run.State, repo.StateCancelled)
	}

	claim := w.claim(t, "running")
	for range 2 {
		run := must[repo.Run](t)(w.RequestCancel(t.Context(), w.tenant, claim.Run.ID, "bob"))
		if run.State != repo.StateRunning || run.CancelRequestedAt == nil {
			t.Errorf("running: %+v", run)
		}
	}
	list := clients(1)
	res := must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1, list...), func(s repo.BatchState) ([]repo.Decision, error) {
		equal(t, "told", s.Cancelled, true)
		return decider(list)(s)
	}))
	equal(t, "result", res, repo.ImportResult{Counts: repo.Counts{Created: 1}, Cancelled: true})
	n := w.newRun("running")
	n.ID = claim.Run.ID
	again := must[repo.Claim](t)(w.ClaimRun(t.Context(), n)) // after a crash
	equal(t, "flag", again.Run.CancelRequestedAt != nil, true)
	if err := w.ReleaseRun(t.Context(), again.Ref, "later", time.Time{}); err != nil {
		t.Fatal(err)
	}
	run := must[repo.Run](t)(w.RequestCancel(t.Context(), w.tenant, claim.Run.ID, "bob"))
	equal(t, "released", run.State, repo.StateCancelled)
	equal(t, "events", repotest.Value[int](t, w.url, `select count(*) from halosync.events where action = 'run.cancelled' and actor = 'bob'`), 2)
	if _, err := w.RequestCancel(t.Context(), w.tenant, uuid.New(), "bob"); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestRejectRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	state := func(id uuid.UUID) repo.RunState {
		return must[repo.Run](t)(w.Run(t.Context(), w.tenant, id)).State
	}
	claim := w.claim(t, "k")
	if err := w.RejectRun(t.Context(), w.tenant, claim.Run.ID, "no payload"); err != nil || state(claim.Run.ID) != repo.StateFailed {
		t.Errorf("RejectRun: %v %s", err, state(claim.Run.ID))
	}
	if _, err := w.ImportBatch(t.Context(), claim.Ref, page(1), decider(nil)); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("write after rejection: %v", err)
	}
	queued := w.newRun("q")
	must2(t, func() (any, error) { r, _, err := w.CreateRun(t.Context(), queued); return r, err })
	if err := w.RejectRun(t.Context(), w.tenant, queued.ID, "no payload"); err != nil || state(queued.ID) != repo.StateFailed {
		t.Errorf("RejectRun of a queued run: %v %s", err, state(queued.ID))
	}
	if err := w.RejectRun(t.Context(), w.tenant, uuid.New(), "x"); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestRunsListings(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for i := range 5 {
		must2(t, func() (any, error) { r, _, err := w.CreateRun(t.Context(), w.newRun(fmt.Sprint(i))); return r, err })
	}
	w.finish(t, w.claim(t, "done").Ref)
	var keys []string
	f := repo.RunFilter{Limit: 2}
	for {
		runs := must[[]repo.Run](t)(w.Runs(t.Context(), w.tenant, f))
		if len(runs) == 0 {
			break
		}
		for _, r := range runs {
			keys = append(keys, r.RequestKey)
		}
		f.QueuedBefore = runs[len(runs)-1].QueuedAt
	}
	equal(t, "newest first", keys, []string{"done", "4", "3", "2", "1", "0"})
	count := func(f repo.RunFilter) int { return len(must[[]repo.Run](t)(w.Runs(t.Context(), w.tenant, f))) }
	other := uuid.New()
	equal(t, "filters", []int{
		count(repo.RunFilter{State: repo.StateSucceeded}), count(repo.RunFilter{Kind: repo.KindMap}),
		count(repo.RunFilter{ConnectionID: &w.conn}), count(repo.RunFilter{ConnectionID: &other}),
	}, []int{1, 0, 6, 0})
	// All five unfinished runs were enqueued when they were created.
	equal(t, "undispatched", len(must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 9))), 0)
	live := must[[]repo.Run](t)(w.Runs(t.Context(), w.tenant, repo.RunFilter{State: repo.StateQueued}))
	if err := w.Undispatch(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	equal(t, "undispatched, some", len(must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 3))), 3)
	equal(t, "undispatched, the rest", len(must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 9))), 2)
	equal(t, "undispatched, none", len(must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 9))), 0)
}

// Every run that ends sends a notification when the end is committed.
func TestRunEndIsNotified(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	conn, err := pgx.Connect(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "listen halosync_runs"); err != nil {
		t.Fatal(err)
	}
	claim := w.claim(t, "k")
	w.finish(t, claim.Ref)
	got, err := conn.WaitForNotification(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "payload", got.Payload, strings.ReplaceAll(claim.Run.ID.String(), "-", ""))
}

func must2(t testing.TB, f func() (any, error)) {
	t.Helper()
	if _, err := f(); err != nil {
		t.Fatal(err)
	}
}

// tryExec runs a statement that may fail.
func tryExec(t testing.TB, url, sql string, args ...any) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), sql, args...)
	return err
}

// A run with failed items does not succeed. The error has the most frequent reasons, and
// the caller may repeat the call.
func TestFinishWithFailures(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	finish := func(key string, f repo.Finish, reasons ...string) repo.Run {
		claim := w.claim(t, key)
		for i, reason := range reasons {
			must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, repo.ImportBatch{
				Page: i + 1, Skips: []repo.RunItem{{ClientID: int64(i + 1), Outcome: repo.Failed, Reason: reason}},
			}, func(repo.BatchState) ([]repo.Decision, error) { return nil, nil }))
		}
		for range 2 {
			if err := w.FinishRun(t.Context(), claim.Ref, f); err != nil {
				t.Fatal(err)
			}
		}
		return must[repo.Run](t)(w.Run(t.Context(), w.tenant, claim.Run.ID))
	}
	done, list := repo.Finish{State: repo.StateSucceeded, Complete: true}, repo.Finish{State: repo.StatePartial, Error: "the list changed"}
	for _, tt := range []struct {
		f       repo.Finish
		reasons []string
		state   repo.RunState
		error   string
	}{
		{done, nil, repo.StateSucceeded, ""},
		{done, []string{"gone"}, repo.StatePartial, "1 client cannot be imported: gone"},
		{done, []string{"b", "a", "c", "a"}, repo.StatePartial, "4 clients cannot be imported: a (2); b; c"},
		{done, []string{"b", "a", "c", "a", "d"}, repo.StatePartial, "5 clients cannot be imported: a (2); b; c; and others"},
		{list, []string{"gone"}, repo.StatePartial, "the list changed; 1 client cannot be imported: gone"},
		{list, nil, repo.StatePartial, "the list changed"},
		{repo.Finish{State: repo.StateCancelled, Error: "cancelled"}, []string{"gone"}, repo.StateCancelled, "cancelled"},
		{repo.Finish{State: repo.StateFailed, Error: "no"}, []string{"gone"}, repo.StateFailed, "no"},
	} {
		run := finish(fmt.Sprint(tt), tt.f, tt.reasons...)
		equal(t, fmt.Sprint(tt.reasons), []any{run.State, run.Error, run.Failed}, []any{tt.state, tt.error, len(tt.reasons)})
	}
	conn := must[repo.Connection](t)(w.Connection(t.Context(), w.tenant, w.conn))
	if conn.LastSuccessAt == nil {
		t.Error("last success not set")
	}
}
