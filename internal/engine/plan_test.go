package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	var (
		a, b   = uuid.UUID{1}, uuid.UUID{2}
		acme   = repo.Client{ID: 7, Name: "Acme"}
		closed = repo.Client{ID: 7, Name: "Acme", Inactive: true}
	)
	mapped := func(m repo.MappingState) repo.PageState {
		m.CompanyID = a
		return repo.PageState{Mapped: map[int64]repo.MappingState{7: m}}
	}
	candidates := func(c ...repo.Candidate) repo.PageState {
		return repo.PageState{Candidates: map[string][]repo.Candidate{"acme": c}}
	}
	for name, tt := range map[string]struct {
		client repo.Client
		state  repo.PageState
		chosen bool
		want   string
		linked uuid.UUID
		person bool
	}{
		"nobody has the name":       {client: acme, want: repo.Created},
		"one free company":          {client: acme, state: candidates(repo.Candidate{CompanyID: a}), want: repo.Linked, linked: a},
		"its company is taken":      {client: acme, state: candidates(repo.Candidate{CompanyID: a, Mapped: true}), want: repo.Created},
		"one of two is free":        {client: acme, state: candidates(repo.Candidate{CompanyID: a, Mapped: true}, repo.Candidate{CompanyID: b}), want: repo.Linked, linked: b},
		"two free companies":        {client: acme, state: candidates(repo.Candidate{CompanyID: a}, repo.Candidate{CompanyID: b}), want: repo.Ambiguous, person: true},
		"mapped, same":              {client: acme, state: mapped(repo.MappingState{ClientName: "Acme", State: repo.MappingOK}), want: repo.Unchanged, linked: a},
		"mapped, renamed":           {client: acme, state: mapped(repo.MappingState{ClientName: "Acne", State: repo.MappingOK}), want: repo.Refreshed, linked: a},
		"mapped, case changed":      {client: acme, state: mapped(repo.MappingState{ClientName: "ACME", State: repo.MappingOK}), want: repo.Refreshed, linked: a},
		"mapped, deactivated":       {client: closed, state: mapped(repo.MappingState{ClientName: "Acme", State: repo.MappingOK}), want: repo.Refreshed, linked: a},
		"mapped, inactive as known": {client: closed, state: mapped(repo.MappingState{ClientName: "Acme", ClientInactive: true, State: repo.MappingInactive}), want: repo.Unchanged, linked: a},
		"mapped, came back":         {client: acme, state: mapped(repo.MappingState{ClientName: "Acme", State: repo.MappingMissing}), want: repo.Refreshed, linked: a},
		"inactive":                  {client: closed, want: repo.Skipped},
		"inactive and chosen":       {client: closed, chosen: true, want: repo.Created},
		"unknown client":            {client: repo.Client{ID: 1, Name: "Unknown"}, want: repo.Skipped},
		"unknown client chosen":     {client: repo.Client{ID: 1, Name: "Unknown"}, chosen: true, want: repo.Skipped, person: true},
		"no name":                   {client: repo.Client{ID: 7, Name: "\u200b"}, want: repo.Skipped, person: true},
		"a person unmapped it":      {client: acme, state: repo.PageState{Unmapped: map[int64]time.Time{7: time.Now()}}, want: repo.Skipped},
		"unmapped, another company": {client: acme, state: repo.PageState{Unmapped: map[int64]time.Time{8: time.Now()}}, want: repo.Created},
	} {
		got := newPlanner(tt.chosen).plan([]repo.Client{tt.client}, []string{NormaliseName(tt.client.Name)}, tt.state)[0]
		if got.Outcome != tt.want || got.CompanyID != tt.linked || got.NeedsPerson != tt.person {
			t.Errorf("%s: %s, company %v, needs a person %v; want %s, %v, %v",
				name, got.Outcome, got.CompanyID, got.NeedsPerson, tt.want, tt.linked, tt.person)
		}
		if explained := got.Reason != ""; explained != (tt.want == repo.Skipped || tt.want == repo.Ambiguous) {
			t.Errorf("%s: reason %q", name, got.Reason)
		}
	}
}

// Clients of one page see what those before them got, and so do the pages of
// a dry run, which leaves nothing in the database.
func TestPlanTakesEachCompanyOnce(t *testing.T) {
	t.Parallel()
	free := repo.PageState{Candidates: map[string][]repo.Candidate{"acme": {{CompanyID: uuid.UUID{1}}}}}
	clients := []repo.Client{{ID: 5, Name: "ACME"}, {ID: 6, Name: "Acme"}, {ID: 7, Name: "Other"}}
	norms := []string{"acme", "acme", "other"}
	p := newPlanner(false)
	var got []string
	for _, d := range append(p.plan(clients, norms, free), p.plan(clients[:1], norms[:1], free)...) {
		got = append(got, d.Outcome)
	}
	want := []string{repo.Linked, repo.Created, repo.Created, repo.Created}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
