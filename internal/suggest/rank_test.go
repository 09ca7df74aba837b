package suggest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/repo"
)

func TestPoints(t *testing.T) {
	t.Parallel()
	named := func(match, company, client string) repo.SuggestPair {
		_, ours := names.StripLegalForm(names.Normalise(company))
		_, theirs := names.StripLegalForm(names.Normalise(client))
		return repo.SuggestPair{Match: match, CompanyForm: ours, ClientForm: theirs}
	}
	similar := func(s float64) repo.SuggestPair {
		return repo.SuggestPair{Match: repo.MatchSimilar, Similarity: s}
	}
	for want, p := range map[string]repo.SuggestPair{
		"100 external id is the client's reference":                      {Match: repo.MatchRef},
		"99 external id is the client's accounts id":                     {Match: repo.MatchAccountsID},
		"98 external id is the client's number, and the names are alike": {Match: repo.MatchNumber},
		"97 same name":                              {Match: repo.MatchName},
		"90 same name without legal form":           named(repo.MatchStem, "Acme", "Acme Ltd."),
		"90 same name in another spelling":          named(repo.MatchStem, "Acme Limited", "Acme Ltd."),
		"80 same name, other legal form (inc, ltd)": named(repo.MatchStem, "Acme Inc", "Acme Ltd"),
		"57 similar name (0.67)":                    similar(float64(float32(0.67))),
		"38 similar name (0.45)":                    similar(float64(float32(0.45))),
		"85 similar name (1.00)":                    similar(1),
		"0 ":                                        similar(0.4499),
	} {
		points, reason := points(p)
		if got := fmt.Sprintf("%d %s", points, reason); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// foundPairs reads a text such as "A=1 0.97, B=2 0.7": company, client and score. A score
// of 1, 0.97, 0.9 or 0.8 sets the kind of match; other scores are similarities.
func foundPairs(t *testing.T, text string) (pairs []repo.SuggestPair) {
	t.Helper()
	for _, line := range strings.Split(text, ", ") {
		var p repo.SuggestPair
		var company string
		var score float64
		if _, err := fmt.Sscanf(strings.Replace(line, "=", " ", 1), "%s %d %f", &company, &p.ClientID, &score); err != nil {
			t.Fatal(line, err)
		}
		p.CompanyID, p.CompanyName = uuid.NewSHA1(uuid.NameSpaceURL, []byte(company)), company
		switch p.Match, p.Similarity = repo.MatchSimilar, score/0.85; score {
		case 1:
			p.Match = repo.MatchRef
		case 0.97:
			p.Match = repo.MatchName
		case 0.9:
			p.Match = repo.MatchStem
		case 0.8:
			p.Match, p.CompanyForm, p.ClientForm = repo.MatchStem, "ltd", "inc"
		}
		pairs = append(pairs, p)
	}
	return pairs
}

func TestRank(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ what, pairs, want string }{
		{"the best of a client", "A=1 0.97, B=1 0.7", "A=1 0.97"},
		{"the best of a company", "A=1 0.97, A=2 0.7", "A=1 0.97"},
		{"the best way to match", "A=1 0.6, A=1 1, A=1 0.9", "A=1 1.00"},
		{"two fit a client", "A=1 0.97, B=1 1", "B=1 1.00?, A=1 0.97?"},
		{"0.05 is close", "A=1 0.90, B=1 0.85", "A=1 0.90?, B=1 0.85?"},
		{"0.05 is close, elsewhere", "A=1 0.85, B=1 0.80", "A=1 0.85?, B=1 0.80?"},
		{"0.06 is not", "A=1 0.90, B=1 0.84", "A=1 0.90"},
		{"a chain is ambiguous in both places", "A=1 0.70, A=2 0.68, B=2 0.66", "A=1 0.70?, A=2 0.68?, B=2 0.66?"},
		// B=1 is dropped because A=1 is better, so B=2 stays unambiguous.
		{"dropped pairs do not make others ambiguous", "A=1 0.97, B=1 0.80, B=2 0.60", "A=1 0.97, B=2 0.60"},
		{"dropped pairs with close scores have no effect", "A=1 0.97, B=1 0.62, B=2 0.60", "A=1 0.97, B=2 0.60"},
		{"below the minimum score", "A=1 0.97, B=2 0.49", "A=1 0.97"},
		{"a rival below the minimum score", "A=1 0.52, A=2 0.48", "A=1 0.52?"},
		{"names decide the order", "B=1 0.97, A=2 0.97", "A=2 0.97, B=1 0.97"},
	} {
		var got []string
		for _, s := range rank(foundPairs(t, tt.pairs), nil) {
			if s.Score < 0.5 { // as the readers of the list do
				continue
			}
			line := fmt.Sprintf("%s=%d %.2f", s.CompanyName, s.ClientID, s.Score)
			if s.Ambiguous {
				line += "?"
			}
			got = append(got, line)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, strings.Join(got, ", "), tt.want)
		}
	}
}

// The reason given for an ambiguous pair names its rivals.
func TestRankNamesRivals(t *testing.T) {
	t.Parallel()
	names := map[int64]string{1: "One", 2: "Two"}
	got := rank(foundPairs(t, "A=1 0.97, B=1 0.97, C=1 0.97, D=1 0.97, E=1 0.97, A=2 0.97"), names)
	for i, want := range map[int]string{
		0: `same name; also fits: company "B", company "C", company "D" and more`,
		1: `same name; also fits: client "One" (1)`,
	} {
		if got[i].Reason != want {
			t.Errorf("%s=%d: %s, want %s", got[i].CompanyName, got[i].ClientID, got[i].Reason, want)
		}
	}
}

// A thousand companies and clients have the same name, and the database returns five
// companies for each client. None of the pairs is certain, and ranking is fast.
func TestRankOfNamesakes(t *testing.T) {
	t.Parallel()
	var pairs []repo.SuggestPair
	for client := range int64(20_000) {
		for company := range 5 {
			pairs = append(pairs, repo.SuggestPair{CompanyID: uuid.UUID{15: byte(company)}, CompanyName: "x", ClientID: client + 2, Match: repo.MatchName})
		}
	}
	got, certain := rank(pairs, nil), 0
	for _, s := range got {
		if !s.Ambiguous {
			certain++
		}
	}
	if len(got) != len(pairs) || certain != 0 {
		t.Errorf("%d suggestions of %d, %d certain", len(got), len(pairs), certain)
	}
}
