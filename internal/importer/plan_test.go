package importer

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/listing"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/repo"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	var (
		a, b   = uuid.UUID{1}, uuid.UUID{2}
		acme   = repo.Client{ID: 7, Name: "Acme"}
		closed = repo.Client{ID: 7, Name: "Acme", Inactive: true}
	)
	mapped := func(m repo.StoredMapping) repo.BatchState {
		m.CompanyID = a
		return repo.BatchState{Mapped: map[int64]repo.StoredMapping{7: m}}
	}
	candidates := func(c ...repo.Candidate) repo.BatchState {
		return repo.BatchState{Candidates: map[string][]repo.Candidate{"acme": c}}
	}
	for name, tt := range map[string]struct {
		client repo.Client
		state  repo.BatchState
		chosen bool
		want   repo.Outcome
		linked uuid.UUID
	}{
		"no company has the name":   {client: acme, want: repo.Created},
		"one free company":          {client: acme, state: candidates(repo.Candidate{CompanyID: a}), want: repo.Linked, linked: a},
		"its company is taken":      {client: acme, state: candidates(repo.Candidate{CompanyID: a, Mapped: true}), want: repo.Created},
		"one of two is free":        {client: acme, state: candidates(repo.Candidate{CompanyID: a, Mapped: true}, repo.Candidate{CompanyID: b}), want: repo.Linked, linked: b},
		"two free companies":        {client: acme, state: candidates(repo.Candidate{CompanyID: a}, repo.Candidate{CompanyID: b}), want: repo.Ambiguous},
		"mapped, same":              {client: acme, state: mapped(repo.StoredMapping{ClientName: "Acme", State: repo.MappingOK}), want: repo.Unchanged, linked: a},
		"mapped, renamed":           {client: acme, state: mapped(repo.StoredMapping{ClientName: "Acne", State: repo.MappingOK}), want: repo.Refreshed, linked: a},
		"mapped, case changed":      {client: acme, state: mapped(repo.StoredMapping{ClientName: "ACME", State: repo.MappingOK}), want: repo.Refreshed, linked: a},
		"mapped, deactivated":       {client: closed, state: mapped(repo.StoredMapping{ClientName: "Acme", State: repo.MappingOK}), want: repo.Refreshed, linked: a},
		"mapped, inactive as known": {client: closed, state: mapped(repo.StoredMapping{ClientName: "Acme", ClientInactive: true, State: repo.MappingInactive}), want: repo.Unchanged, linked: a},
		"mapped, came back":         {client: acme, state: mapped(repo.StoredMapping{ClientName: "Acme", State: repo.MappingMissing}), want: repo.Refreshed, linked: a},
		"inactive":                  {client: closed, want: repo.Skipped},
		"inactive and chosen":       {client: closed, chosen: true, want: repo.Created},
		"unknown client":            {client: repo.Client{ID: 1, Name: "Unknown"}, want: repo.Skipped},
		"unknown client chosen":     {client: repo.Client{ID: 1, Name: "Unknown"}, chosen: true, want: repo.Failed},
		"no name":                   {client: repo.Client{ID: 7, Name: "\u200b"}, want: repo.Failed},
		"a person unmapped it":      {client: acme, state: repo.BatchState{Unmapped: map[int64]time.Time{7: time.Now()}}, want: repo.Skipped},
		"unmapped, another company": {client: acme, state: repo.BatchState{Unmapped: map[int64]time.Time{8: time.Now()}}, want: repo.Created},
	} {
		got := newPlanner(tt.chosen).plan([]repo.Client{tt.client}, []string{names.Normalise(tt.client.Name)}, tt.state)[0]
		if got.Outcome != tt.want || got.CompanyID != tt.linked {
			t.Errorf("%s: %s, company %v; want %s, %v", name, got.Outcome, got.CompanyID, tt.want, tt.linked)
		}
		if explained := got.Reason != ""; explained != (tt.want == repo.Skipped || tt.want == repo.Ambiguous || tt.want == repo.Failed) {
			t.Errorf("%s: reason %q", name, got.Reason)
		}
	}
}

// A company is linked only once, even across the pages of a dry run, which writes no
// mappings.
func TestPlanTakesEachCompanyOnce(t *testing.T) {
	t.Parallel()
	free := repo.BatchState{Candidates: map[string][]repo.Candidate{"acme": {{CompanyID: uuid.UUID{1}}}}}
	clients := []repo.Client{{ID: 5, Name: "ACME"}, {ID: 6, Name: "Acme"}, {ID: 7, Name: "Other"}}
	norms := []string{"acme", "acme", "other"}
	p := newPlanner(false)
	var got []repo.Outcome
	for _, d := range append(p.plan(clients, norms, free), p.plan(clients[:1], norms[:1], free)...) {
		got = append(got, d.Outcome)
	}
	want := []repo.Outcome{repo.Linked, repo.Created, repo.Created, repo.Created}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// The result of Rows does not depend on the order of the clients. Rows does not change
// its argument.
func TestRowsOf(t *testing.T) {
	t.Parallel()
	sent := []halo.Client{{ID: 3, Name: "C"}, {ID: 1, Name: "A"}, {ID: 2, Name: "B"}}
	rows, norms := listing.Rows(sent)
	again, _ := listing.Rows([]halo.Client{sent[1], sent[2], sent[0]})
	if diff := cmp.Diff(again, rows); diff != "" || norms[0] != "a" || norms[2] != "c" || rows[0].ID != 1 || sent[0].ID != 3 {
		t.Errorf("%v, %v of %v\n%s", rows, norms, sent, diff)
	}
}

// BenchmarkPlan plans a page of 100 clients. All of them are new, half of them match a
// company, or all are already mapped.
func BenchmarkPlan(b *testing.B) {
	page := make([]halo.Client, 100)
	waiting := repo.BatchState{Candidates: map[string][]repo.Candidate{}}
	known := repo.BatchState{Mapped: map[int64]repo.StoredMapping{}}
	for i := range page {
		page[i] = halo.Client{ID: int64(1000 + i), Name: fmt.Sprintf("Client No. %d", i)}
		if i%2 == 0 {
			waiting.Candidates[names.Normalise(page[i].Name)] = []repo.Candidate{{CompanyID: uuid.UUID{byte(i)}}}
		}
		known.Mapped[page[i].ID] = repo.StoredMapping{ClientName: page[i].Name, State: repo.MappingOK}
	}
	rows, norms := listing.Rows(page)
	b.Run("rows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			listing.Rows(page)
		}
	})
	for _, c := range []struct {
		name  string
		state repo.BatchState
	}{{"new", repo.BatchState{}}, {"half of them match", waiting}, {"known", known}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newPlanner(false).plan(rows, norms, c.state)
			}
		})
	}
}
