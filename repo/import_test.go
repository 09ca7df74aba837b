package repo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestImportBatch(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{
		{Name: "Bakery", NormName: "bakery", ExternalID: "x1"},
		{Name: "Twin", NormName: "twin"}, {Name: "Twin", NormName: "twin"},
	}))
	claim := w.claim(t, "k")
	list := []repo.Client{
		{ID: 2, Name: "Bakery"}, {ID: 3, Name: "New", Inactive: true}, {ID: 5, Name: "Twin"},
		{ID: 8, Name: "NUL \x00"}, {ID: 9, Name: strings.Repeat("é", 1001)}, {ID: 10, Name: "bad \xff"},
		{ID: 11, Name: strings.Repeat("é", 1000), TopLevelID: 4, TopLevelName: "Group"},
	}
	p := page(1, list...)
	p.RecordsTotal = 70
	p.Skips = []repo.RunItem{{ClientID: 99, Outcome: repo.Skipped, Reason: "does not exist in Halo"}}
	res, err := w.ImportBatch(t.Context(), claim.Ref, p, decider(list))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "result", res, repo.ImportResult{Counts: repo.Counts{Created: 2, Linked: 1, Ambiguous: 1, Skipped: 1, Failed: 3}})

	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, claim.Run.ID))
	equal(t, "counts", run.Counts, res.Counts)
	equal(t, "progress", []int{run.Pages, run.Passes, run.Records, run.RecordsTotal}, []int{1, 1, 8, 70})
	equal(t, "items", run.Items, []repo.RunItem{
		{ClientID: 5, Outcome: repo.Ambiguous, Reason: "2 companies"},
		{ClientID: 8, Outcome: repo.Failed, Reason: "name contains a NUL character"},
		{ClientID: 9, Outcome: repo.Failed, Reason: "name is longer than 1000 characters"},
		{ClientID: 10, Outcome: repo.Failed, Reason: "name is not valid UTF-8"},
		{ClientID: 99, Outcome: repo.Skipped, Reason: "does not exist in Halo"},
	})
	var pairs []string
	for _, m := range must[[]repo.Mapping](t)(w.Mappings(t.Context(), w.tenant, repo.MappingFilter{})) {
		pairs = append(pairs, fmt.Sprint(m.ClientID, " ", m.CompanyName[:3], " ", m.State, " ", m.MappedBy, " ", m.Connection, " ", m.LastVerifiedAt != nil))
	}
	equal(t, "mappings", pairs, []string{"2 Bak ok import main true", "3 New inactive import main true", "11 é ok import main true"}, shortNames)
	equal(t, "catalogue", repotest.Value[int](t, w.url, `select count(*) from halosync.clients where changed_at = first_seen_at`), 4)
}

func TestImportBatchRefresh(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(3)
	w.importAll(t, "first", list...)
	repotest.Exec(t, w.url, `update halosync.mappings set state = 'missing', state_reason = 'gone' where client_id = 3`)
	list[0].Name, list[1].Inactive = "Renamed", true
	equal(t, "counts", w.importAll(t, "second", list...), repo.Counts{Refreshed: 3})

	var got []string
	for m, err := range w.AllMappings(t.Context(), w.tenant, repo.MappingFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(m.ClientName, " ", m.ClientInactive, " ", m.State, m.StateReason))
	}
	equal(t, "mappings", got, []string{"Renamed false ok", "Client 2 true inactive", "Client 3 false ok"})

	events := must[[]repo.Event](t)(w.Events(t.Context(), w.tenant, repo.EventFilter{Limit: 3}))
	var changes []string
	for _, e := range events {
		changes = append(changes, fmt.Sprint(e.Action, " ", *e.ClientID, " ", e.Actor, " ", string(e.Before), " ", string(e.After)))
	}
	equal(t, "events", changes, []string{
		`mapping.refreshed 3 ann {"state": "missing", "client_name": "Client 3", "state_reason": "gone", "client_inactive": false} {"state": "ok", "client_name": "Client 3", "client_inactive": false}`,
		`mapping.refreshed 2 ann {"state": "ok", "client_name": "Client 2", "state_reason": "", "client_inactive": false} {"state": "inactive", "client_name": "Client 2", "client_inactive": true}`,
		`mapping.refreshed 1 ann {"state": "ok", "client_name": "Client 1", "state_reason": "", "client_inactive": false} {"state": "ok", "client_name": "Renamed", "client_inactive": false}`,
	})
}

// A second, identical import writes no row of companies, mappings or clients.
func TestImportUnchangedWritesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(250)
	w.importAll(t, "first", list...)
	fingerprint := func() string {
		var all []string
		for _, table := range []string{"companies", "mappings", "clients", "events"} {
			all = append(all, repotest.Value[string](t, w.url,
				`select md5(string_agg(ctid::text || xmin::text || xmax::text, ',' order by ctid)) from halosync.`+table))
		}
		return strings.Join(all, " ")
	}
	before := fingerprint()
	equal(t, "counts", w.importAll(t, "second", list...), repo.Counts{Unchanged: 250})
	equal(t, "rows", fingerprint(), before)

	list[17].TopLevelName = "Other" // proves that the test can fail
	w.importAll(t, "third", list...)
	if fingerprint() == before {
		t.Error("a changed client was not written")
	}
}

func TestImportDryRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	list := clients(3)
	p := page(1, list...)
	p.DryRun = true
	p.Skips = []repo.RunItem{{ClientID: 99, Outcome: repo.Skipped, Reason: "none"}}
	res := must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, p, decider(list)))
	equal(t, "counts", res.Counts, repo.Counts{Created: 3, Skipped: 1})
	for _, table := range []string{"companies", "mappings", "clients"} {
		equal(t, table, repotest.Value[int](t, w.url, `select count(*) from halosync.`+table), 0)
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, claim.Run.ID))
	equal(t, "run", []any{run.Counts, run.Records, len(run.Items)}, []any{res.Counts, 4, 1})
	again, err := w.ClaimRun(t.Context(), repo.NewRun{
		ID: claim.Run.ID, Kind: repo.KindImport, Tenant: w.tenant, ConnectionID: w.conn, RequestKey: "k",
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "cursor", string(again.Cursor), `{"page": 1}`)
}

func TestImportBatchRepeated(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	list := clients(2)
	for i, want := range []bool{false, true} {
		res := must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1, list...), decider(list)))
		equal(t, fmt.Sprint("repeated ", i), res.Repeated, want)
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, claim.Run.ID))
	equal(t, "counts", run.Counts, repo.Counts{Created: 2})
}

// If a person unmaps a mapping after a run was requested, the run does not map it
// again. An earlier unmapping does not prevent a new mapping.
func TestImportBatchUnmapped(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(2)
	w.importAll(t, "first", list...)
	repotest.Exec(t, w.url, `update halosync.mappings set deleted_at = now() - interval '1 hour', deleted_by = 'bob' where client_id = 1`)
	claim := w.claim(t, "second")
	repotest.Exec(t, w.url, `update halosync.mappings set deleted_at = now(), deleted_by = 'bob' where client_id = 2`)
	res := must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1, list...), func(s repo.BatchState) ([]repo.Decision, error) {
		if _, ok := s.Unmapped[2]; !ok || len(s.Unmapped) != 1 || len(s.Mapped) != 0 {
			t.Errorf("state %+v", s)
		}
		return decider(list)(s)
	}))
	equal(t, "counts", res.Counts, repo.Counts{Linked: 1, Skipped: 1})
}

func TestImportBatchItemsAreBounded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	for number := range 4 {
		p := page(number + 1)
		for i := range 300 {
			p.Skips = append(p.Skips, repo.RunItem{ClientID: int64(1000*number + i + 1), Outcome: repo.Skipped, Reason: "none"})
		}
		must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, p, decider(nil)))
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, claim.Run.ID))
	equal(t, "items and count", []int{len(run.Items), run.Skipped}, []int{1000, 1200})
	equal(t, "last", run.Items[999].ClientID, int64(3100))
}

func TestImportBatchRefuses(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ref := w.claim(t, "k").Ref
	broken := errors.New("broken")
	two := clients(2)
	twice := page(1, two[1], two[1])
	short := page(1, two...)
	short.NormNames = short.NormNames[:1]
	nul := page(1, two...)
	nul.Cursor = json.RawMessage(`{"a":"\u0000"}`)
	answer := func(d ...repo.Decision) func(repo.BatchState) ([]repo.Decision, error) {
		return func(repo.BatchState) ([]repo.Decision, error) { return d, nil }
	}
	ok := decider(two)
	for _, tt := range []struct {
		name   string
		page   repo.ImportBatch
		decide func(repo.BatchState) ([]repo.Decision, error)
		want   error
	}{
		{"double", twice, ok, repo.ErrInvalid},
		{"norms", short, ok, repo.ErrInvalid},
		{"negative", repo.ImportBatch{Page: -1}, ok, repo.ErrInvalid},
		{"cursor with NUL", nul, ok, repo.ErrInvalid},
		{"decide", page(1, two...), func(repo.BatchState) ([]repo.Decision, error) { return nil, broken }, broken},
		{"too few", page(1, two...), answer(repo.Decision{Client: two[0], Outcome: repo.Unchanged}), repo.ErrInvalid},
		{"other client", page(1, two[0]), answer(repo.Decision{Client: two[1], Outcome: repo.Unchanged}), repo.ErrInvalid},
		{"outcome", page(1, two[0]), answer(repo.Decision{Client: two[0], Outcome: "sold"}), repo.ErrInvalid},
		{"no company", page(1, two[0]), answer(repo.Decision{Client: two[0], Outcome: repo.Linked}), repo.ErrInvalid},
		{"unknown company", page(1, two[0]), answer(repo.Decision{Client: two[0], Outcome: repo.Linked, CompanyID: uuid.New()}), repo.ErrNotFound},
		{"no name", page(1, repo.Client{ID: 1}), answer(repo.Decision{Client: repo.Client{ID: 1}, Outcome: repo.Created}), repo.ErrInvalid},
	} {
		if _, err := w.ImportBatch(t.Context(), ref, tt.page, tt.decide); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, ref.ID))
	equal(t, "pages", run.Pages, 0)
	// The store still works.
	must[repo.ImportResult](t)(w.ImportBatch(within(t, time.Minute), ref, page(1, two...), ok))
}

// If many companies share a name, only some of them are loaded as candidates.
func TestImportBatchCandidatesAreBounded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var same []repo.Client
	for i := range 50 {
		same = append(same, repo.Client{ID: int64(i + 1), Name: "Same"})
	}
	w.importAll(t, "first", same...)
	free := must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{{Name: "Same", NormName: "same"}}))[0]
	claim := w.claim(t, "second")
	one := []repo.Client{{ID: 60, Name: "Same"}}
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1, one...), func(s repo.BatchState) ([]repo.Decision, error) {
		found := s.Candidates["same"]
		equal(t, "candidates", len(found), 20)
		equal(t, "first", found[0], repo.Candidate{CompanyID: free.ID, Name: "Same"})
		return decider(one)(s)
	}))
}
