package repo_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

const day = 24 * time.Hour

// older moves the times of a run and its events back by a number of days.
func (w *fixture) older(t testing.TB, run uuid.UUID, days int) {
	t.Helper()
	repotest.Exec(t, w.url, `update halosync.runs set queued_at = queued_at - make_interval(days => $2),
		started_at = started_at - make_interval(days => $2), finished_at = finished_at - make_interval(days => $2) where id = $1`, run, days)
	ageEvents(t, w.url, `run_id = '`+run.String()+`'`, days)
}

// ageEvents disables the trigger that refuses changes, and moves the times of events back.
func ageEvents(t testing.TB, url, where string, days int) {
	t.Helper()
	repotest.Exec(t, url, fmt.Sprintf(`do $$ begin
		alter table halosync.events disable trigger events_append_only;
		update halosync.events set at = at - interval '%d days' where %s;
		alter table halosync.events enable trigger events_append_only;
	end $$`, days, where))
}

// Only runs that ended long enough ago are deleted, with their items and pages. The
// companies and mappings that a run created are kept.
func TestForgetRuns(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(3)
	imported := func(key string, days int) uuid.UUID {
		claim := w.claim(t, key)
		p := page(1, list...)
		p.Skips = []repo.RunItem{{ClientID: 7, Outcome: repo.Skipped}}
		must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, p, decider(list)))
		w.finish(t, claim.Ref)
		w.older(t, claim.Run.ID, days)
		return claim.Run.ID
	}
	old, young := imported("old", 91), imported("young", 89)
	late := imported("ended late", 200) // requested long ago, postponed, ended yesterday
	repotest.Exec(t, w.url, `update halosync.runs set finished_at = now() - interval '1 day' where id = $1`, late)
	running := w.claim(t, "running")
	w.older(t, running.Run.ID, 300)
	queued, _, err := w.CreateRun(t.Context(), w.newRun("queued"))
	if err != nil {
		t.Fatal(err)
	}
	w.older(t, queued.ID, 300)

	gone, more, err := w.ForgetRuns(t.Context(), w.tenant, 90*day, 100)
	equal(t, "forgotten", []any{gone, more, err}, []any{1, false, nil})
	var left []uuid.UUID
	for _, r := range must[[]repo.Run](t)(w.Runs(t.Context(), w.tenant, repo.RunFilter{})) {
		left = append(left, r.ID)
	}
	equal(t, "runs", left, []uuid.UUID{young, late, queued.ID, running.Run.ID})
	if _, err := w.Run(t.Context(), w.tenant, old); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("old run: %v", err)
	}
	equal(t, "items", repotest.Value[int](t, w.url, `select count(*) from halosync.run_items where run_id = $1`, old), 0)
	equal(t, "mappings of the run", repotest.Value[int](t, w.url, `select count(*) from halosync.mappings where run_id = $1 and deleted_at is null`, old), 3)
	equal(t, "events of the run", repotest.Value[int](t, w.url, `select count(*) from halosync.events where run_id = $1`, old), 6)

	// The same request now creates a new run, which does not reuse the id of the old run.
	again, existed, err := w.CreateRun(t.Context(), w.newRun("old"))
	equal(t, "same request", []any{existed, err, again.ID == old}, []any{false, nil, false})
}

// Deleting a run with very many items takes several transactions of limited size.
func TestForgetRunsInParts(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for i := range 3 {
		claim := w.claim(t, fmt.Sprint("k", i))
		w.finish(t, claim.Ref)
		w.older(t, claim.Run.ID, 100)
		repotest.Exec(t, w.url, `insert into halosync.run_items (tenant, run_id, seq, outcome) select 'acme', $1, n, 'skipped' from generate_series(1, 4000) n`, claim.Run.ID)
	}
	var parts []int
	for more := true; more; {
		var n int
		var err error
		if n, more, err = w.ForgetRuns(t.Context(), w.tenant, 90*day, 100); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, n)
	}
	equal(t, "runs a part", parts, []int{1, 1, 1})
	equal(t, "items", repotest.Value[int](t, w.url, `select count(*) from halosync.run_items`), 0)
}

// While a run exists, undoing it finds everything that it needs, whatever else was
// deleted.
func TestForgettingLeavesUndoRight(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(4)
	claim := w.claim(t, "k")
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1, list...), decider(list)))
	w.finish(t, claim.Ref)
	ids := w.mappingIDs()
	// A person changed one mapping. A resync, whose run has since been deleted, changed
	// another mapping.
	must[[]repo.MappingOutcome](t)(w.Unmap(t.Context(), w.tenant, "bob", ids[:1]))
	must[[]repo.MappingOutcome](t)(w.Restore(t.Context(), w.tenant, "bob", ids[:1], nil))
	resync := w.newRun("r")
	resync.Kind = repo.KindResync
	rc := must[repo.Claim](t)(w.ClaimRun(t.Context(), resync))
	compare := page(1)
	compare.Compare, compare.Absent = true, []repo.Finding{{ClientID: 2, Outcome: repo.FoundMissing, Reason: "404"}}
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), rc.Ref, compare, decider(nil)))
	if _, err := w.ApplyFindings(t.Context(), rc.Ref, 10); err != nil {
		t.Fatal(err)
	}
	w.finish(t, rc.Ref)
	ageEvents(t, w.url, `true`, 1000)
	repotest.Exec(t, w.url, `update halosync.runs set queued_at = now() - interval '1000 days', finished_at = now() - interval '1000 days' where id = $1`, rc.Run.ID)
	repotest.Exec(t, w.url, `update halosync.runs set queued_at = now() - interval '1001 days' where id = $1`, claim.Run.ID) // ended today

	gone, _, err := w.ForgetRuns(t.Context(), w.tenant, 90*day, 100)
	equal(t, "runs", []any{gone, err}, []any{1, nil})
	gone, _, err = w.ForgetEvents(t.Context(), w.tenant, 400*day, 1000)
	equal(t, "events", []any{gone, err}, []any{0, nil})
	kept := make(map[uuid.UUID]string)
	done, _, err := w.UndoMappings(t.Context(), w.tenant, "carol", "undo", claim.Run.ID, uuid.Nil, func(m repo.UndoMapping) string {
		if m.TouchedHow != "" {
			kept[m.ID] = m.TouchedHow
		}
		return m.TouchedHow
	})
	equal(t, "undone", []any{done.Removed, kept, err}, []any{3, map[uuid.UUID]string{ids[0]: "mapping.deleted"}, nil})
	companies, _, err := w.UndoCompanies(t.Context(), w.tenant, "carol", "undo", claim.Run.ID, 0, func(repo.UndoCompany) string { return "" })
	equal(t, "companies", []any{companies.Removed, err}, []any{3, nil})
	// A deleted mapping can be restored without its run and its events.
	w.older(t, claim.Run.ID, 1000)
	repotest.Exec(t, w.url, `delete from halosync.runs`)
	outcomes := must[[]repo.MappingOutcome](t)(w.Restore(t.Context(), w.tenant, "bob", ids[:1], nil))
	equal(t, "restored before", outcomes[0].Outcome, repo.AlreadyActive)
}

// Old events are deleted in parts, the oldest first. Only the function can delete them,
// and it always keeps events of the last 30 days.
func TestForgetEvents(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	eve := join(t, w.Store, w.url, "globex", "main")
	w.importAll(t, "k", clients(10)...) // 20 events, and one for the connection
	repotest.Exec(t, w.url, `delete from halosync.runs`)
	ageEvents(t, w.url, `true`, 500)
	ageEvents(t, w.url, `client_id > 5`, -490) // 10 days
	var parts []int
	for more := true; more; {
		var n int
		var err error
		if n, more, err = w.ForgetEvents(t.Context(), w.tenant, 400*day, 10); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, n)
	}
	equal(t, "parts", parts, []int{10, 6, 0})
	gone, _, err := w.ForgetEvents(t.Context(), w.tenant, 0, 10)
	equal(t, "young ones", []any{gone, err}, []any{0, nil})
	equal(t, "another tenant's", len(must[[]repo.Event](t)(eve.Events(t.Context(), "globex", repo.EventFilter{}))), 1)
	for _, sql := range []string{`delete from halosync.events`, `delete from halosync.events where at < now() - interval '9 years'`} {
		if said := repotest.Refusal(t, repotest.Worker(t, w.url), sql); !strings.Contains(said, "permission denied") {
			t.Errorf("as the programs, %s: %s", sql, said)
		}
		if said := repotest.Refusal(t, w.url, sql); !strings.Contains(said, "append-only") {
			t.Errorf("as the owner, %s: %s", sql, said)
		}
	}
}

// A client that no import has seen for a long time is deleted from the catalogue,
// unless it is mapped. An import of an unchanged client records once a month that the
// client still exists.
func TestForgetClients(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(10)
	w.importAll(t, "k", list...)
	must[[]repo.MappingOutcome](t)(w.Unmap(t.Context(), w.tenant, "bob", w.mappingIDs()[4:]))
	seen := func(days int, where string) {
		repotest.Exec(t, w.url, fmt.Sprintf(`update halosync.clients set changed_at = now() - interval '300 days', seen_at = now() - interval '%d days' where %s`, days, where))
	}
	seen(200, "true")
	w.importAll(t, "again", list[9])
	equal(t, "seen again, unchanged", repotest.Value[bool](t, w.url,
		`select seen_at > now() - interval '1 day' and changed_at < now() - interval '299 days' from halosync.clients where client_id = 10`), true)
	seen(20, "client_id = 9")
	w.importAll(t, "once more", list[8])
	equal(t, "seen lately: not written", repotest.Value[bool](t, w.url, `select seen_at < now() - interval '19 days' from halosync.clients where client_id = 9`), true)

	gone, calls := 0, 0
	for next := (repo.CatalogueCursor{}); ; calls++ {
		n, after, err := w.ForgetClients(t.Context(), w.tenant, 180*day, next, 3)
		if err != nil {
			t.Fatal(err)
		}
		if gone, next = gone+n, after; next == (repo.CatalogueCursor{}) {
			break
		}
	}
	equal(t, "gone, in parts", []int{gone, calls}, []int{4, 4})
	equal(t, "left", repotest.Value[[]int64](t, w.url, `select array_agg(client_id order by client_id) from halosync.clients`), []int64{1, 2, 3, 4, 9, 10})
}

// Expired sessions, tokens and answers are deleted, even for a tenant that has nothing
// else and is not used again.
func TestDeleteExpiredSessions(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	hash := func(n byte) [32]byte { return [32]byte{n} }
	for n := range byte(3) {
		if err := w.AddSession(t.Context(), "gone", repo.NewSession{Hash: hash(n), Actor: "ann", Scope: "read", For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		must[bool](t)(w.UseSigninToken(t.Context(), "gone", hash(n), time.Minute))
		must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "gone", fmt.Sprint("k", n), "print"))
	}
	left := func() []int {
		return repotest.Value[[]int](t, w.url, `select array[(select count(*) from halosync.sessions),
			(select count(*) from halosync.signin_tokens_used), (select count(*) from halosync.answers)]::int[]`)
	}
	equal(t, "young ones", []any{must[int](t)(w.DeleteExpiredSessions(t.Context(), "gone")), left()}, []any{0, []int{3, 3, 3}})
	repotest.Exec(t, w.url, `update halosync.sessions set expires_at = now() where hash = $1`, []byte(string(make([]byte, 32))))
	repotest.Exec(t, w.url, `update halosync.sessions set last_seen_at = now() - interval '1 hour' where substring(hash from 1 for 1) = '\x01'`)
	repotest.Exec(t, w.url, `update halosync.signin_tokens_used set expires_at = now() where substring(hash from 1 for 1) = '\x01'`)
	repotest.Exec(t, w.url, `update halosync.answers set claimed_at = now() - interval '25 hours' where key = 'k1'`)
	equal(t, "another tenant's", must[int](t)(w.DeleteExpiredSessions(t.Context(), w.tenant)), 0)
	equal(t, "gone and left", []any{must[int](t)(w.DeleteExpiredSessions(t.Context(), "gone")), left()}, []any{4, []int{1, 2, 2}})
	equal(t, "tenants", must[[]string](t)(w.TenantsAfter(t.Context(), "b", 9)), []string{"gone"})
	repotest.Exec(t, w.url, `delete from halosync.sessions`)
	repotest.Exec(t, w.url, `delete from halosync.answers`)
	equal(t, "with tokens alone", must[[]string](t)(w.TenantsAfter(t.Context(), "b", 9)), []string{"gone"})
	must[repo.ClaimedRequest](t)(w.ClaimRequest(t.Context(), "here", "k", "print"))
	equal(t, "with answers alone", must[[]string](t)(w.TenantsAfter(t.Context(), "gone", 9)), []string{"here"})
}

func TestTenantsAfter(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, name := range []string{"b", "Z", "ä", "zz"} {
		join(t, w.Store, w.url, name, "one")
		join(t, w.Store, w.url, name, "two")
	}
	if err := w.RemoveConnection(t.Context(), "acme", "ann", w.conn); err != nil { // the connection's events stay
		t.Fatal(err)
	}
	var all []string
	for after := ""; ; {
		part := must[[]string](t)(w.TenantsAfter(t.Context(), after, 2))
		if len(part) == 0 {
			break
		}
		all, after = append(all, part...), part[len(part)-1]
	}
	equal(t, "tenants", all, repotest.Value[[]string](t, w.url, `select array_agg(tenant order by tenant) from (select distinct tenant from halosync.events) e`))
}

// Only one worker has a job at a time. A worker without heartbeats loses the job.
func TestUpkeepIsOneWorkersJob(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	one, two := uuid.New(), uuid.New()
	take := func(who uuid.UUID) bool {
		return must[bool](t)(w.TakeUpkeep(t.Context(), repo.JobRetention, who, time.Minute))
	}
	equal(t, "not planned", take(one), false)
	past := time.Now().Add(-time.Hour)
	if err := w.PlanUpkeep(t.Context(), repo.JobRetention, past); err != nil {
		t.Fatal(err)
	}
	equal(t, "got the job", []bool{take(one), take(two)}, []bool{true, false})
	job := must[map[string]repo.Upkeep](t)(w.Upkeep(t.Context()))[repo.JobRetention]
	equal(t, "running", []any{job.Running, job.DoneAt == nil}, []any{true, true})
	if err := w.HoldUpkeep(t.Context(), repo.JobRetention, one, -time.Second); err != nil { // stops its heartbeats
		t.Fatal(err)
	}
	equal(t, "taken over", take(two), true)
	for what, err := range map[string]error{
		"hold": w.HoldUpkeep(t.Context(), repo.JobRetention, one, time.Minute),
		"end":  w.EndUpkeep(t.Context(), repo.JobRetention, one, past, nil),
	} {
		if !errors.Is(err, repo.ErrFenced) {
			t.Errorf("%s by the previous holder: %v", what, err)
		}
	}
	if err := w.EndUpkeep(t.Context(), repo.JobRetention, two, time.Now().Add(day), map[string]int{"runs": 3}); err != nil {
		t.Fatal(err)
	}
	equal(t, "again at once", take(one), false)
	job = must[map[string]repo.Upkeep](t)(w.Upkeep(t.Context()))[repo.JobRetention]
	equal(t, "done", []any{job.Running, job.DoneAt != nil, string(job.Result)}, []any{false, true, `{"runs": 3}`})
}
