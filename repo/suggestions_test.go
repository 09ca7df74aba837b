package repo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// claimSuggest claims a new run that computes suggestions.
func (w *fixture) claimSuggest(t testing.TB, key string) repo.Claim {
	t.Helper()
	run := w.newRun(key)
	run.Kind, run.Args = repo.KindSuggest, json.RawMessage(`{}`)
	return must[repo.Claim](t)(w.ClaimRun(t.Context(), run))
}

// storeSuggestions stores the pairs of a new run, with scores from 0.97 downwards.
func (w *fixture) storeSuggestions(t testing.TB, key string, pairs ...repo.CompanyClient) repo.Claim {
	t.Helper()
	claim, list := w.claimSuggest(t, key), repo.SuggestionList{Read: len(pairs), Notices: []string{"notice of " + key}}
	for i, p := range pairs {
		list.Pairs = append(list.Pairs, repo.Suggestion{
			CompanyID: p.CompanyID, ClientID: p.ClientID, ClientName: fmt.Sprint("Client ", p.ClientID),
			Score: 0.97 - float64(i)/100, Reason: "same name", Ambiguous: i == 1,
		})
	}
	if cancelled := must[bool](t)(w.StoreSuggestions(t.Context(), claim.Ref, list)); cancelled {
		t.Fatal("cancelled")
	}
	w.finish(t, claim.Ref)
	return claim
}

// open returns lines such as "Acme=1 0.97" of the stored suggestions, in their order.
func (w *fixture) open(t testing.TB, f repo.SuggestionFilter) (lines []string) {
	t.Helper()
	found := must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, f))
	for _, s := range found.Pairs {
		line := fmt.Sprintf("%s=%d %.2f", s.CompanyName, s.ClientID, s.Score)
		if s.Ambiguous {
			line += "?"
		}
		lines = append(lines, line)
	}
	return lines
}

// The list shows the companies as they are now, and only pairs that are still open. A new
// list replaces the former one.
func TestStoredSuggestions(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := join(t, w.Store, w.url, w.tenant, "second")
	equal(t, "never computed", must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, repo.SuggestionFilter{})), repo.StoredSuggestions{})
	var pairs []repo.CompanyClient
	for i, name := range []string{"A", "B", "C", "D", "E", "F"} {
		pairs = append(pairs, repo.CompanyClient{CompanyID: w.addKeyed(t, name, " x-"+name), ClientID: int64(i + 1)})
	}
	claim := w.storeSuggestions(t, "first", pairs...)
	other.storeSuggestions(t, "other", pairs[0])
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, claim.Run.ID))
	equal(t, "run", []any{run.State, run.Records, run.RecordsTotal}, []any{repo.StateSucceeded, 6, 6})
	equal(t, "all", w.open(t, repo.SuggestionFilter{}), []string{"A=1 0.97", "B=2 0.96?", "C=3 0.95", "D=4 0.94", "E=5 0.93", "F=6 0.92"})
	found := must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, repo.SuggestionFilter{MinScore: 0.94, Certain: true, Limit: 2}))
	equal(t, "a part", []any{found.Total, len(found.Pairs), found.RunID, found.Notices, found.ComputedAt.IsZero(), found.Pairs[1].ExternalID},
		[]any{3, 2, claim.Run.ID, []string{"notice of first"}, false, "x-C"})
	found = must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, repo.SuggestionFilter{MinScore: 0.98}))
	equal(t, "none above the score", []any{found.Total, len(found.Pairs), found.RunID}, []any{0, 0, claim.Run.ID})

	for minScore, want := range map[float64]int{0.92: 6, 0.921: 5, 0.929: 5, 0.93: 5, 0.95: 3, 0.951: 2, 1: 0} {
		equal(t, fmt.Sprint("pairs from ", minScore), len(w.open(t, repo.SuggestionFilter{MinScore: minScore})), want)
	}

	// A is mapped, then unmapped. B's client is mapped to another company. C is mapped to
	// another client. D is dismissed. E's company is deleted. F gets another name.
	stranger := w.addNamed(t, "Stranger").ID
	byHand, _ := w.claimMap(t, "map")
	must[bool](t)(w.MapPairs(t.Context(), byHand.Ref, chunk(1, lookup(1, "A", 1), lookup(2, "Stranger", 2), lookup(3, "C", 30)),
		mapEach(repo.Client{ID: 1, Name: "Client 1"}, repo.Client{ID: 2, Name: "Client 2"}, repo.Client{ID: 30, Name: "Client 30"})))
	equal(t, "after mapping", w.open(t, repo.SuggestionFilter{}), []string{"D=4 0.94", "E=5 0.93", "F=6 0.92"})
	ids := w.mappingIDs()
	equal(t, "mappings", len(ids), 3)
	must[[]repo.MappingOutcome](t)(w.Unmap(t.Context(), w.tenant, "ann", ids))
	equal(t, "after unmapping", w.open(t, repo.SuggestionFilter{}), []string{"B=2 0.96?", "C=3 0.95", "D=4 0.94", "E=5 0.93", "F=6 0.92"})
	must[int](t)(w.DismissPairs(t.Context(), w.tenant, "ann", w.conn, pairs[3:4]))
	repotest.Exec(t, w.url, `delete from halosync.companies where id = $1`, pairs[4].CompanyID)
	repotest.Exec(t, w.url, `update halosync.companies set name = 'New name' where id = $1`, pairs[5].CompanyID)
	equal(t, "after the rest", w.open(t, repo.SuggestionFilter{}), []string{"B=2 0.96?", "C=3 0.95", "New name=6 0.92"})
	equal(t, "on the other connection", other.open(t, repo.SuggestionFilter{}), []string{"A=1 0.97"})

	// The new list leaves out a company that was deleted while it was computed.
	w.storeSuggestions(t, "second", repo.CompanyClient{CompanyID: pairs[4].CompanyID, ClientID: 5}, repo.CompanyClient{CompanyID: stranger, ClientID: 7})
	equal(t, "a new list", w.open(t, repo.SuggestionFilter{}), []string{"Stranger=7 0.96?"})
	if err := w.RemoveConnection(t.Context(), w.tenant, "ann", w.conn); err != nil {
		t.Fatal(err)
	}
	equal(t, "rows of the removed connection", repotest.Value[int](t, w.url, `
		select (select count(*) from halosync.suggestions where connection_id = $1)::int + (select count(*) from halosync.suggestion_lists where connection_id = $1)::int`, w.conn), 0)
	equal(t, "still on the other connection", other.open(t, repo.SuggestionFilter{}), []string{"A=1 0.97"})
}

// Only the newest execution of a run may record progress and store a list, and not if the
// run was cancelled. The list is bounded, and so are its texts.
func TestStoreSuggestionsIsFenced(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	pair := repo.CompanyClient{CompanyID: w.addKeyed(t, "A", ""), ClientID: 1}
	w.storeSuggestions(t, "first", pair)
	before := must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, repo.SuggestionFilter{}))
	run := w.newRun("second")
	run.Kind, run.Args = repo.KindSuggest, json.RawMessage(`{}`)
	older := must[repo.Claim](t)(w.ClaimRun(t.Context(), run))
	newer := must[repo.Claim](t)(w.ClaimRun(t.Context(), run))
	if _, err := w.SuggestProgress(t.Context(), older.Ref, 1, 100); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("progress of the older execution: %v", err)
	}
	if _, err := w.StoreSuggestions(t.Context(), older.Ref, repo.SuggestionList{}); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("list of the older execution: %v", err)
	}
	many := repo.SuggestionList{Pairs: slices.Repeat([]repo.Suggestion{{CompanyID: pair.CompanyID, ClientID: 1}}, repo.MaxSuggestions+1)}
	if _, err := w.StoreSuggestions(t.Context(), newer.Ref, many); !errors.As(err, new(*repo.InvalidError)) {
		t.Errorf("too many pairs: %v", err)
	}
	equal(t, "cancelled", must[bool](t)(w.SuggestProgress(t.Context(), newer.Ref, 3, 250)), false)
	got := must[repo.Run](t)(w.Run(t.Context(), w.tenant, run.ID))
	equal(t, "progress", []int{got.Pages, got.Records}, []int{3, 250})
	must[repo.Run](t)(w.RequestCancel(t.Context(), w.tenant, run.ID, "ann"))
	equal(t, "cancelled", must[bool](t)(w.SuggestProgress(t.Context(), newer.Ref, 4, 300)), true)
	equal(t, "cancelled", must[bool](t)(w.StoreSuggestions(t.Context(), newer.Ref, repo.SuggestionList{})), true)
	equal(t, "list", must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, repo.SuggestionFilter{})), before)
	w.finish(t, newer.Ref)

	claim := w.claimSuggest(t, "hostile")
	hostile := string(slices.Repeat([]rune("名\x00"), 5000))
	list := repo.SuggestionList{Notices: []string{hostile}, Pairs: slices.Repeat([]repo.Suggestion{{CompanyID: pair.CompanyID, ClientID: 1, Score: 1}}, repo.MaxSuggestions)}
	list.Pairs[0].ClientName, list.Pairs[0].Reason = hostile, hostile
	must[bool](t)(w.StoreSuggestions(t.Context(), claim.Ref, list))
	found := must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, repo.SuggestionFilter{Limit: 1}))
	equal(t, "stored", []int{found.Total, len([]rune(found.Pairs[0].ClientName)), len([]rune(found.Pairs[0].Reason))}, []int{repo.MaxSuggestions, 1000, 1000})
}

// Runs that compute suggestions are bulk runs: a connection executes one at a time, and
// none beside an import.
func TestSuggestIsBulk(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "import")
	run := w.newRun("suggest")
	run.Kind, run.Args, run.TenantRuns = repo.KindSuggest, json.RawMessage(`{}`), 2
	if _, err := w.ClaimRun(t.Context(), run); !errors.As(err, new(*repo.BusyError)) {
		t.Errorf("beside an import: %v", err)
	}
	w.finish(t, claim.Ref)
	equal(t, "next", must[[]uuid.UUID](t)(w.NextRuns(t.Context(), claim.Ref, 2)), []uuid.UUID{run.ID})
	must[repo.Claim](t)(w.ClaimRun(t.Context(), run))
	if _, err := w.ClaimRun(t.Context(), w.newRun("import again")); !errors.As(err, new(*repo.BusyError)) {
		t.Errorf("an import beside it: %v", err)
	}
}

// The list is read by index, however many mappings and other lists there are, and also if
// the planner has no statistics.
func TestSuggestionsReadWhatTheyShow(t *testing.T) {
	t.Parallel()
	const mapped, listed = 20_000, 100
	w := newFixture(t)
	other := join(t, w.Store, w.url, w.tenant, "second")
	repotest.Exec(t, w.url, `
		insert into halosync.companies (tenant, id, name, norm_name)
		select 'acme', md5(n::text)::uuid, 'Company ' || n, 'company ' || n from generate_series(1, $1) n`, mapped)
	repotest.Exec(t, w.url, `
		insert into halosync.mappings
			(tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state, deleted_at, deleted_by)
		select 'acme', gen_random_uuid(), $1, md5(n::text)::uuid, n, 'Client', false, 'map', 'ok',
			case when n % 4 = 0 then now() end, case when n % 4 = 0 then 'ann' end
		from generate_series(1, $2) n`, w.conn, mapped)
	repotest.Exec(t, w.url, `
		insert into halosync.dismissals (tenant, connection_id, company_id, client_id, dismissed_by)
		select 'acme', $1, md5(n::text)::uuid, n + 1, 'ann' from generate_series(1, $2) n`, w.conn, mapped)
	for connection, n := range map[uuid.UUID]int{w.conn: listed, other.conn: repo.MaxSuggestions} {
		repotest.Exec(t, w.url, `insert into halosync.suggestion_lists (tenant, connection_id, run_id) values ('acme', $1, $1)`, connection)
		repotest.Exec(t, w.url, `
			insert into halosync.suggestions (tenant, connection_id, position, company_id, client_id, client_name, score, reason, ambiguous)
			select 'acme', $1, n, md5((4 * n % $3)::text)::uuid, 1000000 + n, 'Client', 90, '', false from generate_series(1, $2) n
			where 4 * n % $3 > 0`, connection, n, mapped)
	}
	conn := must[*pgx.Conn](t)(pgx.Connect(t.Context(), repotest.Worker(t, w.url)))
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	if _, err := conn.Exec(t.Context(), `set halosync.tenant = 'acme'`); err != nil {
		t.Fatal(err)
	}
	for _, statistics := range []string{"without", "with"} {
		if statistics == "with" {
			repotest.Exec(t, w.url, `vacuum analyze`)
		}
		if n := readRows(t, conn, repo.SuggestionsSQL, "acme", w.conn, 0, false, 50); n > 10*listed {
			t.Errorf("%s statistics: %v rows read for %d pairs", statistics, n, listed)
		}
	}
	found := must[repo.StoredSuggestions](t)(w.Suggestions(t.Context(), w.tenant, w.conn, repo.SuggestionFilter{Limit: 50}))
	equal(t, "shown", []int{len(found.Pairs), found.Total}, []int{50, listed})
}
