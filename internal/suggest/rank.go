package suggest

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/repo"
)

const (
	// leastSimilar is the trigram similarity from which stems are alike, and
	// similarWithNumber that which is enough next to an equal number.
	leastSimilar, similarWithNumber = 0.45, 0.3
	// bestSimilar is the score, in hundredths, of stems that are as similar as
	// can be without being the same: their words in another order.
	bestSimilar = 85
	// closeCall is how near, in hundredths, another candidate's score must be
	// to leave the choice to a person.
	closeCall = 5
	// perClient is how many companies of the same or a similar name are looked
	// at for a client.
	perClient = 5
)

// points judges a pair in hundredths and says why: keys first, then the whole
// name, then the name without its legal form, then likeness. 0 is no
// suggestion.
func points(p repo.SuggestPair) (int, string) {
	switch p.Match {
	case repo.MatchRef:
		return 100, "external id is the client's reference"
	case repo.MatchAccountsID:
		return 99, "external id is the client's accounts id"
	case repo.MatchNumber:
		return 98, "external id is the client's number, and the names are alike"
	case repo.MatchName:
		return 97, "same name"
	case repo.MatchStem:
		ours, theirs := p.CompanyForm, p.ClientForm
		switch {
		case ours == theirs:
			return 90, "same name but for its spelling"
		case ours == "" || theirs == "":
			return 90, "same name without legal form"
		}
		return 80, fmt.Sprintf("same name, other legal form (%s, %s)", ours, theirs)
	case repo.MatchSimilar:
		if alike := math.Round(1e4*p.Similarity) / 1e4; alike >= leastSimilar {
			return int(math.Round(bestSimilar * alike)), fmt.Sprintf("similar name (%.2f)", alike)
		}
	}
	return 0, ""
}

// similarFor is from where on stems are similar enough to have a score of
// least, or to make one that has it ambiguous. More than 1: none are. Pairs of
// similar names are never close to others, because these are left out there.
func similarFor(least float64) float64 {
	if least > bestSimilar/100. {
		return 2
	}
	const rounding = 0.01
	return max(leastSimilar, (100*least-closeCall)/bestSimilar-rounding)
}

// scored is a suggestion with its score in whole hundredths, which compare
// exactly.
type scored struct {
	Suggestion
	points int
}

// rank gives suggestions with a score of at least least. One that has a better
// one on either side is left out, unless it comes close: then both are
// ambiguous, and each says with what. Pairs that are left out do not
// make others ambiguous.
func rank(pairs []repo.SuggestPair, clientNames map[int64]string, least float64) []Suggestion {
	all := score(pairs, clientNames)
	bestOfCompany, bestOfClient := map[uuid.UUID]int{}, map[int64]int{}
	all = slices.DeleteFunc(all, func(s scored) bool {
		if bestOfCompany[s.CompanyID]-s.points > closeCall || bestOfClient[s.ClientID]-s.points > closeCall {
			return true
		}
		bestOfCompany[s.CompanyID] = max(bestOfCompany[s.CompanyID], s.points)
		bestOfClient[s.ClientID] = max(bestOfClient[s.ClientID], s.points)
		return false
	})

	sides := newSides(all)
	kept := []Suggestion{}
	for i, s := range all {
		if rivals := sides.rivals(all, i); len(rivals) > 0 {
			s.Ambiguous = true
			s.Reason += "; fits as well: " + names.Some(rivals)
		}
		// Only now: a rival just below the least score is a rival all the same.
		if s.Score >= least {
			kept = append(kept, s.Suggestion)
		}
	}
	return kept
}

// score judges pairs, each once, by what fits best. The best come first.
func score(pairs []repo.SuggestPair, clientNames map[int64]string) []scored {
	var all []scored
	for _, p := range pairs {
		points, reason := points(p)
		if points == 0 {
			continue
		}
		all = append(all, scored{points: points, Suggestion: Suggestion{
			CompanyID: p.CompanyID, CompanyName: p.CompanyName, ExternalID: p.ExternalID,
			ClientID: p.ClientID, ClientName: clientNames[p.ClientID], Score: float64(points) / 100, Reason: reason,
		}})
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.points, a.points), cmp.Compare(a.CompanyName, b.CompanyName),
			cmp.Compare(a.ClientName, b.ClientName), cmp.Compare(a.ClientID, b.ClientID), slices.Compare(a.CompanyID[:], b.CompanyID[:]))
	})
	seen := map[repo.CompanyClient]bool{}
	return slices.DeleteFunc(all, func(s scored) bool {
		pair := repo.CompanyClient{CompanyID: s.CompanyID, ClientID: s.ClientID}
		again := seen[pair]
		seen[pair] = true
		return again
	})
}

// sides finds the suggestions of a company, and those of a client, by their
// places in a list.
type sides struct {
	ofCompany map[uuid.UUID][]int
	ofClient  map[int64][]int
}

func newSides(all []scored) sides {
	s := sides{map[uuid.UUID][]int{}, map[int64][]int{}}
	for i, one := range all {
		s.ofCompany[one.CompanyID] = append(s.ofCompany[one.CompanyID], i)
		s.ofClient[one.ClientID] = append(s.ofClient[one.ClientID], i)
	}
	return s
}

// rivals names what else the company or the client of a suggestion could be,
// a few of each.
func (s sides) rivals(all []scored, i int) (rivals []string) {
	const enough = 4 // with one of them i itself
	companies, clients := s.ofClient[all[i].ClientID], s.ofCompany[all[i].CompanyID]
	for _, j := range companies[:min(enough, len(companies))] {
		if j != i {
			rivals = append(rivals, fmt.Sprintf("company %q", all[j].CompanyName))
		}
	}
	for _, j := range clients[:min(enough, len(clients))] {
		if j != i {
			rivals = append(rivals, fmt.Sprintf("client %q (%d)", all[j].ClientName, all[j].ClientID))
		}
	}
	return rivals
}
