package repo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// lookup returns a pair that consists of a company, given by name or id, and a client.
func lookup(number int, company string, client int64) repo.PairLookup {
	id, _ := uuid.Parse(company)
	return repo.PairLookup{Number: number, Company: company, CompanyID: id, Norm: strings.ToLower(company), ClientID: client}
}

func chunk(number int, pairs ...repo.PairLookup) repo.MapChunk {
	return repo.MapChunk{
		Number: number, Pairs: pairs, RecordsTotal: 7, MappedBy: "map", How: "map",
		Cursor: json.RawMessage(fmt.Sprintf(`{"done":%d}`, number)),
	}
}

// mapEach maps the company of each pair to the client at the same position and replaces
// conflicting mappings.
func mapEach(clients ...repo.Client) func(repo.MapState) ([]repo.PairDecision, error) {
	return func(state repo.MapState) ([]repo.PairDecision, error) {
		out := make([]repo.PairDecision, len(clients))
		for i, c := range clients {
			d := repo.PairDecision{Pair: i + 1, Outcome: repo.Refused, Reason: "no such company", Client: c}
			if m := state.Companies[i]; len(m) == 1 {
				d.CompanyID, d.Outcome, d.Reason = m[0].ID, repo.Mapped, ""
				if f, ok := state.ByCompany[m[0].ID]; ok {
					d.Replaces = append(d.Replaces, f)
				}
				if f, ok := state.ByClient[c.ID]; ok && f.CompanyID != m[0].ID {
					d.Replaces = append(d.Replaces, f)
				}
			}
			out[i] = d
		}
		return out, nil
	}
}

// mappingIDs returns the ids of the tenant's active mappings, or nil after an error.
func (w *fixture) mappingIDs() []uuid.UUID {
	var ids []uuid.UUID
	for m, err := range w.AllMappings(context.Background(), w.tenant, repo.MappingFilter{}) {
		if err != nil {
			return nil
		}
		ids = append(ids, m.ID)
	}
	return ids
}

// claimMap starts a map run.
func (w *fixture) claimMap(t testing.TB, key string) (repo.Claim, repo.NewRun) {
	t.Helper()
	n := w.newRun(key)
	n.Kind = repo.KindMap
	claim, err := w.ClaimRun(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return claim, n
}

// A pair refers to a company by id, then by external id, then by exact name, then by
// normalised name.
func TestMapReadsCompanies(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	add := func(name, external string) string {
		added := must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{{Name: name, NormName: strings.ToLower(name), ExternalID: external}}))
		return added[0].ID.String()
	}
	byID := add("Some", "")
	byExternal, byName := add("Other", "Twin"), add("Exact", "")
	add("EXACT", "")
	low1, low2 := add("Loose", ""), add("LOOSE", "")
	add(byID, "") // a company whose name is the id of another company
	var many []string
	for range 7 {
		many = append(many, add("Many", ""))
	}
	claim, _ := w.claimMap(t, "k")
	words := []string{byID, "Twin", "Exact", "loose", "Nobody", "Many"}
	var pairs []repo.PairLookup
	for i, word := range words {
		pairs = append(pairs, lookup(i+1, word, int64(i+10)))
	}
	var got [][]string
	_, err := w.MapPairs(t.Context(), claim.Ref, chunk(1, pairs...), func(s repo.MapState) ([]repo.PairDecision, error) {
		for _, companies := range s.Companies {
			ids := []string{}
			for _, c := range companies {
				ids = append(ids, c.ID.String())
			}
			got = append(got, ids)
		}
		return nil, errors.New("enough")
	})
	if err == nil {
		t.Error("MapPairs did not return the error from decide")
	}
	equal(t, "companies", got, [][]string{{byID}, {byExternal}, {byName}, {low1, low2}, {}, many[:5]})
}

func TestMapPairs(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	list := clients(3)
	w.importAll(t, "first", list...) // companies "Client 1" to "Client 3", mapped to clients 1 to 3
	w.addNamed(t, "Free")
	claim, n := w.claimMap(t, "k")
	two := repo.Client{ID: 2, Name: "Client 2, renamed", TopLevelID: 9}
	c := chunk(1, lookup(1, "Client 1", 2), lookup(2, "Nobody", 3), lookup(3, "Free", 7))
	mapAll := mapEach(two, list[2], repo.Client{ID: 7, Name: "Seven", Inactive: true})
	for range 2 { // repeating a chunk changes nothing
		if cancelled, err := w.MapPairs(t.Context(), claim.Ref, c, mapAll); err != nil || cancelled {
			t.Fatal(cancelled, err)
		}
	}
	run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, n.ID))
	equal(t, "counts", run.Counts, repo.Counts{Linked: 2, Failed: 1, Removed: 2})
	equal(t, "progress", []int{run.Pages, run.Records, run.RecordsTotal}, []int{1, 3, 7})
	equal(t, "items", run.Items, []repo.RunItem{{ClientID: 3, Outcome: repo.Refused, Reason: "no such company", Pair: 2}})
	equal(t, "pairs", []any{len(run.Pairs), run.Pairs[0].Settled, run.Pairs[1].Settled}, []any{3, true, false})
	var got []string
	for _, m := range must[[]repo.Mapping](t)(w.Mappings(t.Context(), w.tenant, repo.MappingFilter{})) {
		got = append(got, fmt.Sprint(m.CompanyName, "=", m.ClientID, " ", m.ClientName, " ", m.MappedBy, " ", m.State, " ", *m.RunID == n.ID))
	}
	equal(t, "mappings", got, []string{
		"Client 3=3 Client 3 import ok false", "Client 1=2 Client 2, renamed map ok true", "Free=7 Seven map inactive true",
	})
	equal(t, "catalogue", repotest.Value[string](t, w.url, `select name from halosync.clients where client_id = 2`), two.Name)
	var events []string
	for _, e := range must[[]repo.Event](t)(w.Events(t.Context(), w.tenant, repo.EventFilter{RunID: &n.ID})) {
		events = append(events, fmt.Sprint(e.Action, " ", e.How, " ", *e.ClientID, " ", e.Before != nil, " ", e.After != nil))
	}
	equal(t, "events", events, []string{
		"mapping.created map 7 false true", "mapping.created map 2 true true",
		"mapping.deleted replaced 2 true false", "mapping.deleted replaced 1 true false",
	})

	// The next chunk finds the pairs that this one has settled, and the cancellation of
	// the run.
	must[repo.Run](t)(w.RequestCancel(t.Context(), w.tenant, n.ID, "bob"))
	cancelled, err := w.MapPairs(t.Context(), claim.Ref, chunk(2, lookup(4, "Free", 8)), func(s repo.MapState) ([]repo.PairDecision, error) {
		equal(t, "settled", []any{len(s.Settled), s.Settled[0].Pair, s.Settled[0].ClientID}, []any{1, 3, int64(7)})
		return []repo.PairDecision{{Pair: 4, Outcome: repo.Refused}}, nil
	})
	equal(t, "cancelled", []any{cancelled, err}, []any{true, nil})

	// After another execution takes over, nothing more is written.
	must[repo.Claim](t)(w.ClaimRun(t.Context(), n))
	if _, err := w.MapPairs(t.Context(), claim.Ref, chunk(3, lookup(5, "Free", 8)), mapAll); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("chunk of an execution that lost its run: %v", err)
	}
}

func (w *fixture) addNamed(t testing.TB, name string) repo.Company {
	t.Helper()
	return must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{{Name: name, NormName: strings.ToLower(name)}}))[0]
}

// Decisions that do not match their chunk are refused.
func TestMapPairsChecks(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	free := w.addNamed(t, "Free")
	claim, _ := w.claimMap(t, "k")
	for name, d := range map[string][]repo.PairDecision{
		"none":           {},
		"another pair":   {{Pair: 2, Outcome: repo.Refused}},
		"another client": {{Pair: 1, Outcome: repo.Mapped, CompanyID: free.ID, Client: repo.Client{ID: 8}}},
		"no company":     {{Pair: 1, Outcome: repo.Mapped, Client: repo.Client{ID: 7}}},
	} {
		_, err := w.MapPairs(t.Context(), claim.Ref, chunk(1, lookup(1, "Free", 7)), func(repo.MapState) ([]repo.PairDecision, error) { return d, nil })
		if !errors.Is(err, repo.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	equal(t, "mappings", len(w.mappingIDs()), 0)
}
