package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// Suggestions find companies whose names are variants of the clients' names.
func TestSuggestFindsNameVariants(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 300)
	conn := w.connect("t1", "c")
	truth := w.noisyCompanies("t1", rand.New(rand.NewPCG(4, 4)))
	found := w.suggest(w.engine, "t1", "c", 0.5)
	if len(found.Notices) > 0 {
		t.Fatal(found.Notices)
	}
	right, wrong, ambiguous, surelyRight := 0, 0, 0, 0
	for _, s := range found.Pairs {
		switch ok := truth[s.CompanyID] == s.ClientID; {
		case s.Ambiguous:
			ambiguous++
		case !ok:
			wrong++
			t.Logf("wrong: %q and %q: %.2f, %s", s.CompanyName, s.ClientName, s.Score, s.Reason)
			if s.Score >= 0.9 {
				t.Error("a wrong suggestion has a score of 0.9 or more")
			}
		default:
			right++
			if s.Score >= 0.9 {
				surelyRight++
			}
		}
	}
	t.Logf("%d companies: %d right, %d wrong, %d ambiguous; precision %.3f, recall %.3f; %d right with a score of 0.9 or more",
		len(truth), right, wrong, ambiguous, float64(right)/float64(right+wrong), float64(right)/float64(len(truth)), surelyRight)
	if len(truth) < 200 || right < len(truth)*85/100 || wrong > right/50 || surelyRight < len(truth)/3 {
		t.Error("suggestions are too imprecise")
	}

	// Dismissed and mapped pairs are never suggested again.
	first := found.Pairs[0]
	pairs := []tasks.Pair{{Company: first.CompanyID.String(), ClientID: first.ClientID}}
	for want := 1; want >= 0; want-- {
		if n, err := w.engine.Dismiss(t.Context(), "t1", "ann", "c", pairs); err != nil || n != want {
			t.Errorf("dismissed %d, %v", n, err)
		}
	}
	if _, err := w.engine.Dismiss(t.Context(), "t1", "ann", "c", append(pairs, tasks.Pair{Company: "nobody", ClientID: 3})); err == nil {
		t.Error("a company that does not exist was dismissed")
	}
	args := tasks.MapArgs{Tenant: "t1", ConnectionID: conn.ID.String(), Suggested: true, Pairs: w.certain("t1", "c")}
	j := tasks.Job[tasks.MapArgs]{RunID: tasks.NewRunID(), Args: args, Attempt: 1, Draining: make(chan struct{})}
	if result, err := w.engine.Map(t.Context(), j); err != nil || result.Linked != len(args.Pairs) {
		t.Errorf("mapped %d of %d, %v", result.Linked, len(args.Pairs), err)
	}
	left, err := w.engine.Suggestions(t.Context(), "t1", "c", repo.SuggestionFilter{})
	if err != nil || left.RunID != found.RunID {
		t.Fatalf("run %s, want %s: %v", left.RunID, found.RunID, err)
	}
	for what, list := range map[string]repo.StoredSuggestions{"stored": left, "computed again": w.suggest(w.engine, "t1", "c", 0)} {
		if list.Total != len(list.Pairs) || list.Total == 0 {
			t.Errorf("%s: %d suggestions, total %d", what, len(list.Pairs), list.Total)
		}
		for _, s := range list.Pairs {
			if s.CompanyID == first.CompanyID && s.ClientID == first.ClientID || s.Score >= 0.9 && !s.Ambiguous {
				t.Errorf("%s: suggested again: %+v", what, s)
			}
		}
	}
	for _, m := range w.mappings("t1") {
		if m.MappedBy != "suggest" {
			t.Errorf("mapped by %s", m.MappedBy)
		}
	}
}

// noisyCompanies adds a company with a similar name for each active client in Halo that
// has a unique name. It returns the client for each company.
func (w *fixture) noisyCompanies(tenant string, dice *rand.Rand) map[uuid.UUID]int64 {
	w.t.Helper()
	seen := map[string]int{}
	for _, c := range w.tenant.Clients() {
		seen[names.Normalise(c.Name)]++
	}
	truth := map[uuid.UUID]int64{}
	for _, c := range w.tenant.Clients() {
		norm := names.Normalise(c.Name)
		if c.ID == proof.UnknownClientID || c.Inactive || seen[norm] > 1 || len([]rune(norm)) < 6 || len(c.Name) > 200 {
			continue
		}
		added, err := w.engine.AddCompanies(w.t.Context(), tenant, "test", []string{noisy(dice, shown(c.Name))}, "")
		if err != nil {
			w.t.Fatal(err)
		}
		truth[added[0].ID] = c.ID
	}
	return truth
}

// noisy returns a name with typical mistakes.
func noisy(dice *rand.Rand, name string) string {
	stem, _ := names.StripLegalForm(names.Normalise(name))
	pick := func(from ...string) string { return from[dice.IntN(len(from))] }
	switch dice.IntN(7) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return stem
	case 2:
		return stem + pick(" Ltd", " Limited", ", Inc.", " GmbH", " Pty Ltd", " S.A.")
	case 3: // two letters change places
		r := []rune(name)
		i := 1 + dice.IntN(len(r)-2)
		r[i], r[i+1] = r[i+1], r[i]
		return string(r)
	case 4: // a letter is missing
		r := []rune(name)
		i := 1 + dice.IntN(len(r)-1)
		return string(r[:i]) + string(r[i+1:])
	case 5: // an additional word
		return pick("The ", "New ", "") + stem + pick(" UK", " Group", " - Head Office", " (old)")
	}
	return strings.TrimSpace(name)
}

// Without pg_trgm, suggestions still use external ids and equal names, and include a
// notice.
func TestSuggestWithoutTrigrams(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.tenant.Add(halotest.Client{ID: 5, Name: "Acme Ltd", Ref: "R-5"}, halotest.Client{ID: 6, Name: "Bakery Brown"}, halotest.Client{ID: 7, Name: "Nothing alike", AccountsID: "A-7"})
	w.connect("t1", "c")
	for name, external := range map[string]string{"Acme": "", "Zebra": "A-7", "Bakery Browne": ""} {
		if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{name}, external); err != nil {
			t.Fatal(err)
		}
	}
	repotest.Exec(t, w.url, `drop extension pg_trgm`)
	found := w.suggest(w.engine, "t1", "c", 0)
	if !strings.Contains(strings.Join(found.Notices, " "), "pg_trgm") {
		t.Fatalf("%q", found.Notices)
	}
	got := ""
	for _, s := range found.Pairs {
		got += fmt.Sprintf("%s=%d %.2f; ", s.CompanyName, s.ClientID, s.Score)
	}
	if want := "Zebra=7 0.99; Acme=5 0.90; "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// If the list of clients cannot be read completely, the run fails and the former
// suggestions remain.
func TestSuggestNeedsTheWholeList(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 250)
	w.connect("t1", "c")
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = time.Millisecond })
	if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{w.tenant.Clients()[1].Name}, ""); err != nil {
		t.Fatal(err)
	}
	broken := halotest.Rule{Route: halotest.RouteList, Nth: 3, Times: halotest.Forever}
	w.halo.Fault(broken, halotest.Status(500, ""))
	failed := w.requestSuggestions("t1", "c")
	if err := w.engine.Execute(t.Context(), failed); err == nil {
		t.Error("the run succeeded")
	}
	found, err := w.engine.Suggestions(t.Context(), "t1", "c", repo.SuggestionFilter{})
	if err != nil || !found.ComputedAt.IsZero() || found.RunID != uuid.Nil || len(found.Pairs) > 0 {
		t.Errorf("never computed: %+v, error %v", found, err)
	}
	w.halo.ClearFaults()
	if run := w.await(w.engine, failed); run.State != repo.StateSucceeded { // once Halo answers again
		t.Fatalf("%s: %s", run.State, run.Error)
	}
	former, err := w.engine.Suggestions(t.Context(), "t1", "c", repo.SuggestionFilter{})
	if err != nil || len(former.Pairs) == 0 || former.RunID != failed.ID {
		t.Errorf("%+v, error %v", former, err)
	}
	w.halo.Fault(broken, halotest.Status(400, ""))
	if run := w.await(w.engine, w.requestSuggestions("t1", "c")); run.State != repo.StateFailed || run.Error == "" {
		t.Errorf("with a broken page: %s, %q", run.State, run.Error)
	}
	w.halo.ClearFaults()
	still, err := w.engine.Suggestions(t.Context(), "t1", "c", repo.SuggestionFilter{})
	if err != nil || !cmp.Equal(still, former) {
		t.Errorf("a failed run changed the suggestions: %s, error %v", cmp.Diff(former, still), err)
	}
	w.app.Rights(halotest.ReadNone)
	run := w.await(w.engine, w.requestSuggestions("t1", "c"))
	found, err = w.engine.Suggestions(t.Context(), "t1", "c", repo.SuggestionFilter{})
	if err != nil || run.State != repo.StatePartial || !strings.Contains(strings.Join(found.Notices, " "), "returned no clients") {
		t.Errorf("without rights: %s, %v, error %v", run.State, found.Notices, err)
	}
}

// If clients shift between pages, Suggest reads the list again. Otherwise it could miss
// the twin that makes a pair ambiguous.
func TestSuggestReadsAListThatMovesAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	for id := range int64(250) {
		w.tenant.Add(halotest.Client{ID: id + 2, Name: fmt.Sprintf("Nobody number %d", id)})
	}
	w.tenant.Update(20, func(c *halotest.Client) { c.Name = "Twin" })
	w.tenant.Update(102, func(c *halotest.Client) { c.Name = "Twin Ltd" }) // first client on the second page
	w.connect("t1", "c")
	if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{"The Twin"}, ""); err != nil {
		t.Fatal(err)
	}
	var first atomic.Int32
	w.halo.AfterPage(func(e halotest.PageEvent) {
		// The first page is read again after the end of the list is checked.
		if e.Page == 1 && first.Add(1) == 2 {
			w.tenant.Delete(5)
		}
	})
	found := w.suggest(w.engine, "t1", "c", 0.5)
	if first.Load() != 4 || len(found.Pairs) != 2 || len(w.certain("t1", "c")) > 0 {
		t.Errorf("%+v", found)
	}
}

// Another tenant with a connection of the same name sees none of the suggestions.
func TestSuggestionsOfAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.twins("Bakery Brown")
	w.connect("t2", "c")
	if n := len(w.suggest(w.engine, "t1", "c", 0).Pairs); n != 1 {
		t.Errorf("%d suggestions", n)
	}
	if got := w.stored("t2"); len(got.Pairs) > 0 || !got.ComputedAt.IsZero() {
		t.Errorf("another tenant sees %+v", got)
	}
	if n := len(w.suggest(w.engine, "t2", "c", 0).Pairs); n != 0 {
		t.Errorf("%d suggestions for the other tenant", n)
	}
	if n := w.stored("t1").Total; n != 1 {
		t.Errorf("%d suggestions are left", n)
	}
}
