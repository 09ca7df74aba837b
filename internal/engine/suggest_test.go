package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

func TestScore(t *testing.T) {
	t.Parallel()
	pair := func(company, client string, likeness float64) repo.SuggestPair {
		p := repo.SuggestPair{CompanyNorm: NormaliseName(company), ClientNorm: NormaliseName(client), ClientID: 12, Similarity: likeness}
		p.CompanyStem, _ = stripLegalForm(p.CompanyNorm)
		p.ClientStem, _ = stripLegalForm(p.ClientNorm)
		return p
	}
	key := func(external, ref, accounts string, likeness float64) repo.SuggestPair {
		p := pair("Acme", "Other", likeness)
		p.ExternalID, p.Ref, p.AccountsID = external, ref, accounts
		return p
	}
	for want, p := range map[string]repo.SuggestPair{
		"1.00 external id is the client's reference":                       key("C-1", "C-1", "C-1", 0),
		"0.99 external id is the client's accounts id":                     key("C-1", "", "C-1", 0),
		"0.98 external id is the client's number, and the names are alike": key("12", "", "", 0.3),
		"0.00 ":                             key("12", "", "", 0.29),
		"0.97 same name":                    pair("ACME ltd", "Acme Ltd", 1),
		"0.90 same name without legal form": pair("Acme", "Acme Ltd.", 1),
		"0.80 same name, other legal form (inc, ltd)": pair("Acme Inc", "Acme Ltd", 1),
		"0.57 similar name (0.67)":                    pair("Acme Bakery", "Acme Bakers", 0.67),
	} {
		points, reason := score(p)
		if got := fmt.Sprintf("%.2f %s", points, reason); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What fits several as well stays ambiguous; what fits clearly worse goes.
func TestRankLeavesTheChoiceToAPerson(t *testing.T) {
	t.Parallel()
	one, two := uuid.New(), uuid.New()
	pair := func(company uuid.UUID, client int64, likeness float64) repo.SuggestPair {
		return repo.SuggestPair{CompanyID: company, CompanyNorm: "a", CompanyStem: "a", ClientID: client, ClientNorm: "b", ClientStem: "b", Similarity: likeness}
	}
	got := ""
	for _, s := range rank([]repo.SuggestPair{
		pair(one, 1, 0.9), pair(one, 2, 0.88), pair(one, 3, 0.6), pair(two, 4, 0.7), pair(two, 1, 0.6), pair(two, 5, 0.4),
	}, 0) {
		got += fmt.Sprintf("%d %.2f %v; ", s.ClientID, s.Score, s.Ambiguous)
	}
	if want := "1 0.77 true; 2 0.75 true; 4 0.59 false; "; got != want && got != strings.Replace(want, "0.59", "0.60", 1) {
		t.Errorf("%s, want %s", got, want)
	}
}

// A rival that is itself below the least score still makes a pair ambiguous.
func TestRankCountsRivalsBelowTheLeastScore(t *testing.T) {
	t.Parallel()
	one := uuid.New()
	pair := func(client int64, likeness float64) repo.SuggestPair {
		return repo.SuggestPair{CompanyID: one, CompanyNorm: "a", CompanyStem: "a", ClientID: client, ClientNorm: "b", ClientStem: "b", Similarity: likeness}
	}
	got := rank([]repo.SuggestPair{pair(1, 0.9), pair(2, 0.88)}, 0.76)
	if len(got) != 1 || got[0].ClientID != 1 || !got[0].Ambiguous {
		t.Errorf("%+v, want client 1 alone, as ambiguous", got)
	}
}

// Companies whose names are what people made of the clients' names.
func TestSuggestFindsWhatPeopleMeant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 300)
	conn := w.connect("t1", "c")
	dice := rand.New(rand.NewPCG(4, 4))
	truth := map[string]int64{} // company → client
	seen := map[string]int{}
	for _, c := range w.tenant.Clients() {
		seen[NormaliseName(c.Name)]++
	}
	for _, c := range w.tenant.Clients() {
		norm := NormaliseName(c.Name)
		if c.ID == unknownClientID || c.Inactive || seen[norm] > 1 || len([]rune(norm)) < 6 || len(c.Name) > 200 || dice.IntN(3) == 0 {
			continue
		}
		name := noisy(dice, c.Name)
		if _, taken := truth[name]; taken || NormaliseName(name) == "" {
			continue
		}
		truth[name] = c.ID
		if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{name}, ""); err != nil {
			t.Fatal(err)
		}
	}
	found, err := w.engine.Suggest(t.Context(), "t1", "c", 0.5)
	if err != nil || found.Notice != "" {
		t.Fatal(err, found.Notice)
	}
	right, wrong, sure, surelyWrong := 0, 0, 0, 0
	for _, s := range found.Pairs {
		ok := truth[s.CompanyName] == s.ClientID
		switch {
		case s.Ambiguous:
			continue
		case ok:
			right++
		default:
			wrong++
		}
		if s.Score >= 0.9 {
			sure++
			if !ok {
				surelyWrong++
				t.Logf("surely wrong: %q and %q: %s", s.CompanyName, s.ClientName, s.Reason)
			}
		}
	}
	t.Logf("%d companies: %d right, %d wrong; %d with a score of 0.9 or more, of which %d wrong", len(truth), right, wrong, sure, surelyWrong)
	if right < len(truth)*6/10 || wrong > right/10 || surelyWrong > 0 {
		t.Error("suggestions are of little use")
	}

	// A dismissed pair never comes back, and a mapped one does not either.
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
	args := tasks.MapArgs{Tenant: "t1", ConnectionID: conn.ID.String(), Suggested: true, Pairs: found.Certain(0.9)}
	j := tasks.Job[tasks.MapArgs]{RunID: tasks.NewRunID(), Args: args, Attempt: 1, Draining: make(chan struct{})}
	if result, err := w.engine.Map(t.Context(), j); err != nil || result.Linked != len(args.Pairs) {
		t.Errorf("mapped %d of %d, %v", result.Linked, len(args.Pairs), err)
	}
	after, err := w.engine.Suggest(t.Context(), "t1", "c", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range after.Pairs {
		if s.CompanyID == first.CompanyID && s.ClientID == first.ClientID || s.Score >= 0.9 && !s.Ambiguous {
			t.Errorf("suggested again: %+v", s)
		}
	}
	for _, m := range w.mappings("t1") {
		if m.MappedBy != "suggest" {
			t.Errorf("mapped by %s", m.MappedBy)
		}
	}
}

// noisy writes a name as somebody else would.
func noisy(dice *rand.Rand, name string) string {
	switch dice.IntN(5) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		stem, _ := stripLegalForm(NormaliseName(name))
		return stem
	case 2: // two letters change places
		r := []rune(name)
		i := 1 + dice.IntN(len(r)-2)
		r[i], r[i+1] = r[i+1], r[i]
		return string(r)
	case 3:
		return "The " + name
	}
	return strings.TrimSpace(name)
}

// Without pg_trgm, keys and equal names are still found, and it is said.
func TestSuggestWithoutTrigrams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.tenant.Add(halotest.Client{ID: 5, Name: "Acme Ltd", Ref: "R-5"}, halotest.Client{ID: 6, Name: "Bakery Brown"}, halotest.Client{ID: 7, Name: "Nothing alike", AccountsID: "A-7"})
	w.connect("t1", "c")
	for name, external := range map[string]string{"Acme": "", "Zebra": "A-7", "Bakery Browne": ""} {
		if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{name}, external); err != nil {
			t.Fatal(err)
		}
	}
	repotest.Exec(t, w.url, `drop extension pg_trgm`)
	found, err := w.engine.Suggest(t.Context(), "t1", "c", 0)
	if err != nil || !strings.Contains(found.Notice, "pg_trgm") {
		t.Fatalf("%v, %q", err, found.Notice)
	}
	got := ""
	for _, s := range found.Pairs {
		got += fmt.Sprintf("%s=%d %.2f; ", s.CompanyName, s.ClientID, s.Score)
	}
	if want := "Zebra=7 0.99; Acme=5 0.90; "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
