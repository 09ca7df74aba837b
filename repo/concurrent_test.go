package repo_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Two workers import two connections of one tenant at the same time, with the same
// names. Each name becomes one company, and the second import links to it.
func TestConcurrentImportsShareCompanies(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	a := join(t, repotest.Open(t, url), url, "acme", "a")
	b := join(t, repotest.Open(t, url), url, "acme", "b")
	const n = 600
	counts := make([]repo.Counts, 2)
	var wg sync.WaitGroup
	for i, w := range []*fixture{a, b} {
		wg.Go(func() { counts[i] = w.importAll(t, "k", clients(n)...) })
	}
	wg.Wait()
	equal(t, "created", counts[0].Created+counts[1].Created, n)
	equal(t, "linked", counts[0].Linked+counts[1].Linked, n)
	equal(t, "companies", repotest.Value[int](t, url, `select count(*) from halosync.companies`), n)
}

// Concurrent batches, claims, cancellations, finishes and removals never deadlock.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	var wg sync.WaitGroup
	for i := range 4 {
		w := join(t, repotest.Open(t, url), url, "acme", string(rune('a'+i)))
		rivals := []*repo.Store{repotest.Open(t, url), repotest.Open(t, url)}
		wg.Go(func() {
			for round := range 8 {
				n := w.newRun("k")
				n.ID = uuid.New()
				claim, err := w.ClaimRun(t.Context(), n)
				if err != nil {
					t.Error(err)
					return
				}
				var inner sync.WaitGroup
				list := clients(40 + round)
				inner.Go(func() { _, _ = w.ImportBatch(t.Context(), claim.Ref, page(1, list...), decider(list)) })
				inner.Go(func() { _, err := rivals[0].Unmap(t.Context(), w.tenant, "bob", w.mappingIDs()); check(t, err) })
				inner.Go(func() {
					_, _, err := rivals[1].UndoMappings(t.Context(), w.tenant, "bob", "undo", n.ID, uuid.Nil, func(repo.UndoMapping) string { return "" })
					check(t, err)
					_, _, err = rivals[1].UndoCompanies(t.Context(), w.tenant, "bob", "undo", n.ID, 0, func(c repo.UndoCompany) string {
						if c.Mapped {
							return "another connection's import linked to it"
						}
						return ""
					})
					check(t, err)
				})
				inner.Go(func() { check(t, rivals[0].FinishRun(t.Context(), claim.Ref, repo.Finish{State: repo.StateSucceeded})) })
				inner.Go(func() { _, err := rivals[1].ClaimRun(t.Context(), n); check(t, err) })
				inner.Go(func() { _, err := rivals[1].RequestCancel(t.Context(), w.tenant, n.ID, "bob"); check(t, err) })
				inner.Wait()
				check(t, w.RejectRun(t.Context(), w.tenant, n.ID, "over"))
			}
			check(t, w.RemoveConnection(t.Context(), w.tenant, "bob", w.conn))
		})
	}
	wg.Wait()
}

// check accepts the errors that a caller may get when it loses a race.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil && !isAny(err, repo.ErrFenced, repo.ErrEnded) {
		t.Error(err)
	}
}

// A worker that freezes in the middle of a batch holds its locks. After
// idle_in_transaction_session_timeout the database ends its session, and the worker that
// takes over continues. When the frozen worker resumes, it writes nothing. The test ends
// the session itself, because on a busy machine a short timeout would also end other
// sessions.
func TestFrozenWorkerIsFencedOff(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	w := join(t, repotest.Open(t, url), url, "acme", "main")
	claim, list := w.claim(t, "k"), clients(2)
	entered, thaw := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		_, err := w.ImportBatch(t.Context(), claim.Ref, page(1, list...), func(s repo.BatchState) ([]repo.Decision, error) {
			close(entered)
			<-thaw
			return decider(list)(s)
		})
		done <- err
	}()
	<-entered
	equal(t, "ended sessions", repotest.Value[int](t, url, `select count(pg_terminate_backend(pid)) from pg_stat_activity
		where datname = current_database() and state = 'idle in transaction'`), 1)
	n := w.newRun("k")
	n.ID = claim.Run.ID
	next := must[repo.Claim](t)(repotest.Open(t, url).ClaimRun(within(t, time.Minute), n))
	close(thaw)
	if err := <-done; err == nil {
		t.Error("the frozen worker wrote its page")
	}
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), next.Ref, page(1, list...), decider(list)))
	equal(t, "companies", repotest.Value[int](t, url, `select count(*) from halosync.companies`), 2)
}

// If a connection is removed while one of its batches is being written, one of the two
// transactions waits for the other. No row of the connection remains.
func TestRemoveDuringImport(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	store, rival := repotest.Open(t, url), repotest.Open(t, url)
	list := clients(60)
	for range 15 {
		w := join(t, store, url, "acme", "main")
		claim := w.claim(t, "k")
		entered := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := w.ImportBatch(t.Context(), claim.Ref, page(1, list...), func(s repo.BatchState) ([]repo.Decision, error) {
				close(entered)
				return decider(list)(s)
			})
			check(t, err)
		})
		<-entered
		check(t, rival.RemoveConnection(t.Context(), w.tenant, "bob", w.conn))
		wg.Wait()
	}
	equal(t, "rows left", repotest.Value[int](t, url, `
		select (select count(*) from halosync.connections) + (select count(*) from halosync.mappings)
			+ (select count(*) from halosync.clients) + (select count(*) from halosync.runs)`), 0)
}
