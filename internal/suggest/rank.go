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
	// minSimilar is the minimum trigram similarity of similar stems. similarWithNumber is
	// the minimum if the external id is the client's number.
	minSimilar, similarWithNumber = 0.45, 0.3
	// bestSimilar is the score, in hundredths, of stems with similarity 1 that are not
	// equal: the same words in another order.
	bestSimilar = 85
	// closeCall is the maximum difference between two scores, in hundredths, at which a
	// person must choose.
	closeCall = 5
	// perClient is the maximum number of companies with the same or a similar name that
	// are compared with a client.
	perClient = 5
)

// points returns the score of a pair in hundredths, and the reason. Equal keys score
// highest, then equal names, then equal names without the legal form, then similar names.
// A score of 0 means no suggestion.
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
			return 90, "same name in another spelling"
		case ours == "" || theirs == "":
			return 90, "same name without legal form"
		}
		return 80, fmt.Sprintf("same name, other legal form (%s, %s)", ours, theirs)
	case repo.MatchSimilar:
		if alike := math.Round(1e4*p.Similarity) / 1e4; alike >= minSimilar {
			return int(math.Round(bestSimilar * alike)), fmt.Sprintf("similar name (%.2f)", alike)
		}
	}
	return 0, ""
}

// scored is a suggestion with its score in whole hundredths, which compare exactly.
type scored struct {
	repo.Suggestion
	points int
}

// rank returns the suggestions, the best first. It drops a pair if its company or client
// has a better pair. If the scores are close, it keeps both pairs as ambiguous, and each
// reason names the other pair. Dropped pairs do not make other pairs ambiguous.
func rank(pairs []repo.SuggestPair, clientNames map[int64]string) []repo.Suggestion {
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
	kept := make([]repo.Suggestion, 0, len(all))
	for i, s := range all {
		if rivals := sides.rivals(all, i); len(rivals) > 0 {
			s.Ambiguous = true
			s.Reason += "; also fits: " + names.Some(rivals)
		}
		kept = append(kept, s.Suggestion)
	}
	return kept
}

// score scores each pair once, by its best match, and sorts the pairs by score, best first.
func score(pairs []repo.SuggestPair, clientNames map[int64]string) []scored {
	var all []scored
	for _, p := range pairs {
		points, reason := points(p)
		if points == 0 {
			continue
		}
		all = append(all, scored{points: points, Suggestion: repo.Suggestion{
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

// sides indexes the suggestions of a list by company and by client.
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

// rivals returns a few of the other companies and of the other clients that fit a
// suggestion.
func (s sides) rivals(all []scored, i int) (rivals []string) {
	const enough = 4 // including i itself
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
