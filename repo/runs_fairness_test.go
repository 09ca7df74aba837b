package repo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// limited describes an import of a tenant with a maximum number of running bulk runs.
func (w *fixture) limited(key string, most int) repo.NewRun {
	n := w.newRun(key)
	n.TenantRuns = most
	return n
}

// someIDs returns the arguments of an import that names n clients by id.
func someIDs(n int) json.RawMessage {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i + 1
	}
	raw, _ := json.Marshal(map[string]any{"client_ids": ids})
	return raw
}

// refused checks that a claim is refused for this reason, in the error and in the
// ledger.
func (w *fixture) refused(t *testing.T, n repo.NewRun, running int) {
	t.Helper()
	claim, err := w.ClaimRun(t.Context(), n)
	var busy *repo.BusyError
	want := fmt.Sprintf("%d runs of this tenant are running", running)
	if running == 1 {
		want = "1 run of this tenant is running"
	}
	if !errors.As(err, &busy) || busy.Running != running || !strings.HasSuffix(err.Error(), want) {
		t.Fatalf("%v, want %q", err, want)
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, n.ID))
	equal(t, "the refused run", []any{run.State, run.WaitReason, run.Attempt, claim.Run.ID}, []any{repo.StateQueued, want, 0, n.ID})
}

func TestTenantRuns(t *testing.T) {
	t.Parallel()
	const most = 2
	a := newFixture(t)
	b, c := join(t, a.Store, a.url, "acme", "b"), join(t, a.Store, a.url, "acme", "c")
	stranger := join(t, a.Store, a.url, "globex", "main")

	first := must[repo.Claim](t)(a.ClaimRun(t.Context(), a.limited("k", most)))
	second := b.limited("k", most)
	second.Kind = repo.KindResync
	resync := must[repo.Claim](t)(b.ClaimRun(t.Context(), second))
	third := c.limited("k", most)
	c.refused(t, third, most)
	must[repo.Claim](t)(stranger.ClaimRun(t.Context(), stranger.limited("k", most)))
	again := first.Run
	must[repo.Claim](t)(a.ClaimRun(t.Context(), repo.NewRun{ // after a crash: the run does not block itself
		ID: again.ID, Kind: again.Kind, Tenant: again.Tenant, ConnectionID: again.ConnectionID, RequestKey: "k", TenantRuns: most}))

	// A run for which a person is waiting neither waits for a bulk run nor blocks one.
	for i, kind := range []repo.RunKind{repo.KindImport, repo.KindMap, repo.KindUnmap} {
		n := a.limited(fmt.Sprint("small", i), most)
		n.Kind, n.Args = kind, someIDs(100)
		must[repo.Claim](t)(a.ClaimRun(t.Context(), n))
	}
	large := c.limited("large", most)
	large.Args = someIDs(101)
	c.refused(t, large, most)

	// The run's task is known to exist, so it is not put into the queue again.
	repotest.Exec(t, a.url, `update halosync.runs set dispatched_at = now() - interval '2 minutes' where id = $1`, third.ID)
	c.refused(t, third, most)
	equal(t, "seen in the queue", len(must[[]repo.Run](t)(a.ClaimUndispatched(t.Context(), 9))), 0)
	repotest.Exec(t, a.url, `update halosync.runs set dispatched_at = null where id = $1`, third.ID)
	c.refused(t, third, most)
	equal(t, "lost in spite of that", len(must[[]repo.Run](t)(a.ClaimUndispatched(t.Context(), 9))), 1)

	b.finish(t, resync.Ref)
	claim := must[repo.Claim](t)(c.ClaimRun(t.Context(), third))
	equal(t, "started", claim.Run.WaitReason, "")
	if err := c.ReleaseRun(t.Context(), claim.Ref, "slice", time.Time{}); err != nil {
		t.Fatal(err)
	}
	must[repo.Claim](t)(c.ClaimRun(t.Context(), large))
	c.refused(t, b.limited("later", most), most)
}

// Many workers claim runs of two tenants. The maximum number of running runs is never
// exceeded.
func TestTenantRunsAtOnce(t *testing.T) {
	t.Parallel()
	const most, connections, rounds = 3, 12, 6
	w := newFixture(t)
	var all sync.WaitGroup
	var claims, refusals atomic.Int64
	for _, tenant := range []string{"one", "two"} {
		var running atomic.Int64
		for i := range connections {
			conn := join(t, w.Store, w.url, tenant, fmt.Sprint("c", i))
			all.Go(func() {
				for round := range rounds {
					n := conn.limited(fmt.Sprint("k", round), most)
					claim, err := conn.ClaimRun(t.Context(), n)
					for ; errors.As(err, new(*repo.BusyError)); claim, err = conn.ClaimRun(t.Context(), n) {
						refusals.Add(1)
					}
					if err != nil {
						t.Error(err)
						return
					}
					// The count starts after the claim and stops before the end, so it
					// is never higher than the true number.
					if now := running.Add(1); now > most {
						t.Errorf("%d runs of tenant %s at a time", now, tenant)
					}
					claims.Add(1)
					if err := conn.Beat(t.Context(), claim.Ref); err != nil {
						t.Error(err)
					}
					running.Add(-1)
					if round%2 == 0 {
						err = conn.ReleaseRun(t.Context(), claim.Ref, "", time.Time{})
					} else {
						err = conn.FinishRun(t.Context(), claim.Ref, repo.Finish{State: repo.StateSucceeded})
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	equal(t, "claims", int(claims.Load()), 2*connections*rounds)
	if refusals.Load() == 0 {
		t.Error("no run was refused, so the test proves nothing")
	}
}

// A minute after its worker crashed, a run no longer counts. If the worker was only
// frozen, it can no longer write.
func TestLostRunsDoNotCount(t *testing.T) {
	t.Parallel()
	a := newFixture(t)
	b := join(t, a.Store, a.url, "acme", "b")
	n := a.limited("k", 1)
	frozen := must[repo.Claim](t)(a.ClaimRun(t.Context(), n))
	next := b.limited("k", 1)
	b.refused(t, next, 1)
	repotest.Exec(t, a.url, `update halosync.runs set beat_at = now() - interval '59 seconds' where id = $1`, n.ID)
	b.refused(t, next, 1)
	repotest.Exec(t, a.url, `update halosync.runs set beat_at = null where id = $1`, n.ID) // from an older worker
	b.refused(t, next, 1)

	repotest.Exec(t, a.url, `update halosync.runs set beat_at = now() - interval '61 seconds' where id = $1`, n.ID)
	claim := must[repo.Claim](t)(b.ClaimRun(t.Context(), next))
	one := clients(1)
	_, err := a.ImportBatch(t.Context(), frozen.Ref, page(1, one...), decider(one))
	for what, err := range map[string]error{
		"page": err, "beat": a.Beat(t.Context(), frozen.Ref), "release": a.ReleaseRun(t.Context(), frozen.Ref, "", time.Time{}),
		"finish": a.FinishRun(t.Context(), frozen.Ref, repo.Finish{State: repo.StateFailed}),
	} {
		if !errors.Is(err, repo.ErrFenced) {
			t.Errorf("%s of the frozen execution: %v", what, err)
		}
	}
	var busy *repo.BusyError
	if _, err := a.ClaimRun(t.Context(), n); !errors.As(err, &busy) || busy.Running != 1 {
		t.Errorf("the lost run, claimed again: %v", err)
	}
	b.finish(t, claim.Ref)
	again := must[repo.Claim](t)(a.ClaimRun(t.Context(), n))
	equal(t, "executions", again.Run.Attempt, 2)
}

// NextRuns returns the refused runs whose connection is free, and the runs take turns.
func TestNextRuns(t *testing.T) {
	t.Parallel()
	const most = 2
	a := newFixture(t)
	conns := []*fixture{a}
	for i := range 4 {
		conns = append(conns, join(t, a.Store, a.url, "acme", fmt.Sprint("c", i)))
	}
	var claims []repo.Claim
	for _, c := range conns[:2] {
		claims = append(claims, must[repo.Claim](t)(c.ClaimRun(t.Context(), c.limited("k", most))))
	}
	var waiting []uuid.UUID
	for i, c := range conns {
		n := c.limited("waits", most)
		_, err := c.ClaimRun(t.Context(), n)
		if !errors.As(err, new(*repo.BusyError)) {
			t.Fatalf("connection %d: %v", i, err)
		}
		waiting = append(waiting, n.ID)
	}
	next := func(ref repo.RunRef, most int) []uuid.UUID {
		t.Helper()
		return must[[]uuid.UUID](t)(a.NextRuns(t.Context(), ref, most))
	}
	equal(t, "while all are running", len(next(claims[0].Ref, most)), 0)
	a.finish(t, claims[0].Ref)
	equal(t, "after one", next(claims[0].Ref, most), waiting[:1])
	equal(t, "after one, of two places", next(claims[0].Ref, most+1), []uuid.UUID{waiting[0], waiting[2]})
	equal(t, "without a limit", next(claims[0].Ref, 0), []uuid.UUID{waiting[0], waiting[2], waiting[3], waiting[4]})

	// A run that has had its turn comes after the runs that have not.
	n := repo.NewRun{ID: waiting[0], Kind: repo.KindImport, Tenant: a.tenant, ConnectionID: a.conn, RequestKey: "waits", TenantRuns: most}
	claim := must[repo.Claim](t)(a.ClaimRun(t.Context(), n))
	if err := a.ReleaseRun(t.Context(), claim.Ref, "slice", time.Time{}); err != nil {
		t.Fatal(err)
	}
	equal(t, "not itself", next(claim.Ref, most), []uuid.UUID{waiting[2]})
	equal(t, "last of all", next(claims[0].Ref, most+9), []uuid.UUID{waiting[2], waiting[3], waiting[4], waiting[0]})

	// Runs that are not due yet and runs that were not refused are left out.
	repotest.Exec(t, a.url, `update halosync.runs set not_before = now() + interval '1 hour' where id = $1`, waiting[2])
	repotest.Exec(t, a.url, `update halosync.runs set wait_reason = '' where id = $1`, waiting[3])
	equal(t, "due runs", next(claim.Ref, most), []uuid.UUID{waiting[4]})
}

func TestOthersWait(t *testing.T) {
	t.Parallel()
	a := newFixture(t)
	b := join(t, a.Store, a.url, "acme", "b")
	stranger := join(t, a.Store, a.url, "globex", "main")
	mine := must[repo.Claim](t)(a.ClaimRun(t.Context(), a.limited("k", 1)))
	wait := func(what string, want bool) {
		t.Helper()
		got := must[bool](t)(a.OthersWait(t.Context(), mine.Ref, 1))
		equal(t, what, got, want)
	}
	wait("no run", false)
	queue := func(w *fixture, key string) repo.NewRun {
		t.Helper()
		n := w.limited(key, 1)
		_, _, err := w.CreateRun(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	end := func(w *fixture, n repo.NewRun) {
		t.Helper()
		must[repo.Run](t)(w.RequestCancel(t.Context(), w.tenant, n.ID, "ann"))
	}

	for what, w := range map[string]*fixture{"on the connection": a, "of the tenant": b, "of another tenant": stranger} {
		n := queue(w, "waits")
		wait(what, true)
		repotest.Exec(t, a.url, `update halosync.runs set not_before = now() + interval '1 minute' where id = $1`, n.ID)
		wait(what+", not yet", false)
		repotest.Exec(t, a.url, `update halosync.runs set not_before = null, dispatched_at = null where id = $1`, n.ID)
		wait(what+", not in the queue", false)
		end(w, n)
	}
	// A run that would have to wait anyway is not a reason to make room.
	theirs := must[repo.Claim](t)(stranger.ClaimRun(t.Context(), stranger.limited("k", 1)))
	other := join(t, a.Store, a.url, "globex", "other")
	on, beside := queue(stranger, "waits"), queue(other, "waits")
	wait("whose connection and tenant are busy", false)
	end(stranger, on)
	equal(t, "with a second place", must[bool](t)(a.OthersWait(t.Context(), mine.Ref, 2)), true)
	equal(t, "without a limit", must[bool](t)(a.OthersWait(t.Context(), mine.Ref, 0)), true)
	stranger.finish(t, theirs.Ref)
	wait("whose tenant is no longer busy", true)
	end(other, beside)
	n := a.limited("m", 1)
	n.Kind = repo.KindMap
	must[repo.Claim](t)(stranger.ClaimRun(t.Context(), stranger.limited("k2", 1)))
	wait("no run again", false)
	if _, _, err := a.CreateRun(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	wait("a mapping", true)
}
