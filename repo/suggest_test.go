package repo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// splitName treats "ltd" and "inc" as legal forms.
func splitName(norm string) (stem, form string) {
	for _, form := range []string{"ltd", "inc"} {
		if stem, ok := strings.CutSuffix(norm, " "+form); ok {
			return stem, form
		}
	}
	return norm, ""
}

func suggestOptions() repo.SuggestOptions {
	return repo.SuggestOptions{Split: splitName, Similar: 0.45, SimilarWithNumber: 0.3, PerClient: 5}
}

// askFor returns clients with these names and with ids from 1.
func askFor(names ...string) []repo.SuggestClient {
	list := make([]repo.SuggestClient, len(names))
	for i, name := range names {
		list[i] = repo.SuggestClient{ID: int64(i + 1), Norm: strings.ToLower(name)}
		list[i].Stem, list[i].Form = splitName(list[i].Norm)
	}
	return list
}

// suggest returns lines such as "Acme=1 name", sorted, and whether pg_trgm is
// installed.
func (w *fixture) suggest(t testing.TB, clients []repo.SuggestClient) (lines []string, similar bool) {
	t.Helper()
	found := must[repo.Suggested](t)(w.Suggest(t.Context(), w.tenant, w.conn, clients, suggestOptions()))
	for _, p := range found.Pairs {
		line := fmt.Sprintf("%s=%d %s", p.CompanyName, p.ClientID, p.Match)
		if p.Similarity > 0 {
			line += fmt.Sprintf(" %.2f", p.Similarity)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines, found.Similar
}

func (w *fixture) addKeyed(t testing.TB, name, external string) uuid.UUID {
	t.Helper()
	c := repo.NewCompany{Name: name, NormName: strings.ToLower(name), ExternalID: external}
	return must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", []repo.NewCompany{c}))[0].ID
}

// everyMatch creates a company and a client for each way to match.
func everyMatch(t testing.TB) (*fixture, []repo.SuggestClient) {
	w := newFixture(t)
	for name, external := range map[string]string{
		"By Ref": "r-1", "By Accounts": " a-2 ", "Number Plates": "3", "Nothing Alike": "4", "Equal": "", "Stem Ltd": "", "Other Ltd": "",
		"Bakery Brown and Daughters": "", "Alone": "", "東京": "10",
	} {
		w.addKeyed(t, name, external)
	}
	clients := askFor("", "Two", "Number Plates UK", "Quite different", "EQUAL", "Stem", "Other Inc", "Bakery Brown and Daughter", "Zebra", "東京 Inc")
	clients[0].Ref, clients[1].AccountsID = "r-1", "a-2"
	return w, clients
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	w, clients := everyMatch(t)
	want := []string{
		"Bakery Brown and Daughters=8 similar 0.89", "By Accounts=2 accounts_id", "By Ref=1 ref", "Equal=5 name",
		"Number Plates=3 number", "Other Ltd=7 stem", "Stem Ltd=6 stem", "東京=10 number", "東京=10 stem",
	}
	got, similar := w.suggest(t, clients)
	equal(t, "pairs", got, want)
	equal(t, "similar", similar, true)

	// pg_trgm is first installed in another schema, then not installed at all.
	repotest.Exec(t, w.url, `create schema "my Own"`)
	repotest.Exec(t, w.url, `grant usage on schema "my Own" to halosync_worker`)
	repotest.Exec(t, w.url, `alter extension pg_trgm set schema "my Own"`)
	got, _ = w.suggest(t, clients)
	equal(t, "pairs with pg_trgm elsewhere", got, want)
	repotest.Exec(t, w.url, `drop extension pg_trgm`)
	got, similar = w.suggest(t, clients)
	want = slices.DeleteFunc(want, func(s string) bool { return strings.Contains(s, "similar") || strings.HasPrefix(s, "Number") })
	equal(t, "pairs without pg_trgm", got, want)
	equal(t, "similar", similar, false)
}

// Companies and clients that are mapped on this connection are left out. Companies that
// are mapped on another connection are suggested. An unmapped pair is not suggested.
func TestSuggestLeavesOutWhatIsMapped(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := join(t, w.Store, w.url, "acme", "other")
	w.importAll(t, "first", clients(2)...)
	asked := askFor("Client 1", "Client 1", "Client 1")
	got, _ := w.suggest(t, asked)
	equal(t, "while all are mapped", len(got), 0)
	got, _ = other.suggest(t, asked)
	equal(t, "on the other connection", got, []string{"Client 1=1 name", "Client 1=2 name", "Client 1=3 name"})

	must[[]repo.MappingOutcome](t)(w.Unmap(t.Context(), w.tenant, "ann", w.mappingIDs()))
	got, _ = w.suggest(t, asked)
	equal(t, "after unmapping", got, []string{"Client 1=2 name", "Client 1=3 name", "Client 2=1 similar 0.64"})
}

// A dismissed pair does not count toward the limit, so similar pairs are still
// suggested.
func TestDismissedPairsMakeWay(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	dismiss := func(companies ...uuid.UUID) {
		t.Helper()
		pairs := make([]repo.CompanyClient, len(companies))
		for i, id := range companies {
			pairs[i] = repo.CompanyClient{CompanyID: id, ClientID: 1}
		}
		equal(t, "dismissed", must[int](t)(w.DismissPairs(t.Context(), w.tenant, "ann", w.conn, pairs)), len(pairs))
	}
	var namesakes []uuid.UUID
	for range 7 {
		namesakes = append(namesakes, w.addKeyed(t, "Bakery Brown", ""))
	}
	w.addKeyed(t, "Bakery Browne", "")
	asked := askFor("Bakery Brown")
	for _, step := range []struct {
		dismiss []uuid.UUID
		want    int
		line    string
	}{
		{nil, 5, "Bakery Brown=1 name"},
		{namesakes[:5], 2, "Bakery Brown=1 name"},
		{namesakes[5:], 1, "Bakery Browne=1 similar 0.79"},
	} {
		dismiss(step.dismiss...)
		got, _ := w.suggest(t, asked)
		equal(t, "pairs", got, slices.Repeat([]string{step.line}, step.want))
	}
	events := repotest.Value[int](t, w.url, `select count(*)::int from halosync.events where action = 'suggestion.dismissed' and actor = 'ann' and client_id = 1`)
	equal(t, "events", events, 7)
}

// Two thousand companies and two thousand clients with the same name would make four
// million pairs, most of them useless.
func TestSuggestIsBounded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	const n = 500
	must[[]repo.Company](t)(w.AddCompanies(t.Context(), w.tenant, "ann", slices.Repeat([]repo.NewCompany{{Name: "Test", NormName: "test"}}, n)))
	got, _ := w.suggest(t, askFor(slices.Repeat([]string{"Test"}, n)...))
	equal(t, "pairs", len(got), 5*n)
}

// While suggestions are computed, other sessions can write.
func TestSuggestBlocksNoWriter(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.addKeyed(t, "Acme", "")
	opts := suggestOptions()
	opts.Split = func(norm string) (string, string) { // in the middle of the transaction
		w.importAll(t, "k", clients(3)...)
		return norm, ""
	}
	found := must[repo.Suggested](t)(w.Suggest(within(t, time.Minute), w.tenant, w.conn, askFor("Acme", "Client 3"), opts))
	equal(t, "pairs", len(found.Pairs), 1)
}

func TestSuggestStops(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Suggest(ctx, w.tenant, w.conn, nil, suggestOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := w.Suggest(t.Context(), w.tenant, uuid.New(), nil, suggestOptions()); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("unknown connection: %v", err)
	}
}
