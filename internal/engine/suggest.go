package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Suggestion is a pair that may be the same customer.
type Suggestion struct {
	CompanyID   uuid.UUID
	CompanyName string
	ExternalID  string
	ClientID    int64
	ClientName  string
	Score       float64 // 0 to 1
	Reason      string
	Ambiguous   bool // something else fits nearly as well: for a person to decide
}

// Suggestions are pairs, the best ones first. Notice says what was left out,
// if anything was.
type Suggestions struct {
	Pairs  []Suggestion
	Notice string
}

// Suggest pairs the unmapped companies with the unmapped, active clients of a
// connection, as Halo shows them now. Pairs below least are left out, and so
// are those that a person dismissed or unmapped.
func (e *Engine) Suggest(ctx context.Context, tenant, ref string, least float64) (Suggestions, error) {
	conn, api, err := e.browsable(ctx, tenant, ref)
	if err != nil {
		return Suggestions{}, err
	}
	var clients []repo.SuggestClient
	for page, err := range api.Pages(ctx, halo.Query{}, halo.Cursor{}) {
		if err != nil {
			return Suggestions{}, err
		}
		for _, c := range page.Clients {
			norm := NormaliseName(c.Name)
			if c.ID == unknownClientID || c.Inactive || norm == "" {
				continue
			}
			stem, _ := stripLegalForm(norm)
			clients = append(clients, repo.SuggestClient{
				ID: c.ID, Name: c.Name, Norm: norm, Stem: stem, Ref: c.Ref, AccountsID: c.AccountsID,
			})
		}
	}
	found, err := e.store.Suggest(ctx, tenant, conn.ID, clients, func(norm string) string {
		stem, _ := stripLegalForm(norm)
		return stem
	})
	if err != nil {
		return Suggestions{}, err
	}
	out := Suggestions{Pairs: rank(found.Pairs, least)}
	if !found.Similar {
		out.Notice = "similar names need the Postgres extension pg_trgm: create extension pg_trgm"
	}
	return out, nil
}

// leastSimilar is the trigram similarity below which names are not alike.
const leastSimilar = repo.LeastSimilar

// score judges one pair and says why; 0 is no suggestion. Keys come first,
// then the whole name, then the name without its legal form, then likeness.
func score(p repo.SuggestPair) (float64, string) {
	_, ours := stripLegalForm(p.CompanyNorm)
	_, theirs := stripLegalForm(p.ClientNorm)
	switch key := p.ExternalID; {
	case key != "" && key == p.Ref:
		return 1, "external id is the client's reference"
	case key != "" && key == p.AccountsID:
		return 0.99, "external id is the client's accounts id"
	case key != "" && key == fmt.Sprint(p.ClientID) && (p.Similarity >= 0.3 || p.CompanyStem == p.ClientStem):
		return 0.98, "external id is the client's number, and the names are alike"
	case p.CompanyNorm == p.ClientNorm:
		return 0.97, "same name"
	case p.CompanyStem == p.ClientStem && ours != "" && theirs != "" && ours != theirs:
		return 0.80, fmt.Sprintf("same name, other legal form (%s, %s)", ours, theirs)
	case p.CompanyStem == p.ClientStem:
		return 0.90, "same name without legal form"
	case p.Similarity >= leastSimilar:
		return math.Round(85*p.Similarity) / 100, fmt.Sprintf("similar name (%.2f)", p.Similarity)
	}
	return 0, ""
}

// closeCall is how near another candidate's score must be to leave the choice
// to a person.
const closeCall = 0.05

// rank scores pairs and keeps, for each company and client, the best one, and
// those that come close to it, marked as ambiguous.
func rank(pairs []repo.SuggestPair, least float64) []Suggestion {
	var all []Suggestion
	for _, p := range pairs {
		points, reason := score(p)
		if points <= 0 {
			continue
		}
		all = append(all, Suggestion{
			CompanyID: p.CompanyID, CompanyName: p.CompanyName, ExternalID: p.ExternalID,
			ClientID: p.ClientID, ClientName: p.ClientName, Score: points, Reason: reason,
		})
	}
	slices.SortFunc(all, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.CompanyName, b.CompanyName),
			cmp.Compare(a.ClientName, b.ClientName), cmp.Compare(a.ClientID, b.ClientID), slices.Compare(a.CompanyID[:], b.CompanyID[:]))
	})
	best := newBests()
	var kept []Suggestion
	for _, s := range all {
		if best.beaten(s) {
			continue
		}
		kept = append(kept, s)
	}
	for i, s := range kept {
		switch n := best.rivals(s); {
		case n == 1:
			kept[i].Ambiguous = true
			kept[i].Reason += "; another one fits as well"
		case n > 1:
			kept[i].Ambiguous = true
			kept[i].Reason += fmt.Sprintf("; %d others fit as well", n)
		}
	}
	// Only now: a rival just below the least score is a rival all the same.
	return slices.DeleteFunc(kept, func(s Suggestion) bool { return s.Score < least })
}

// bests remembers the best scores of each company and client, and how many
// come close to them.
type bests struct {
	company, client map[string]*best
}

type best struct {
	score float64
	close int
}

func newBests() *bests { return &bests{map[string]*best{}, map[string]*best{}} }

func (b *bests) of(s Suggestion) [2]*best {
	var two [2]*best
	for i, side := range []struct {
		of  map[string]*best
		key string
	}{{b.company, s.CompanyID.String()}, {b.client, fmt.Sprint(s.ClientID)}} {
		if side.of[side.key] == nil {
			side.of[side.key] = &best{score: s.Score}
		}
		two[i] = side.of[side.key]
	}
	return two
}

// beaten says whether a better pair of one side leaves this one behind. Pairs
// come with falling scores.
func (b *bests) beaten(s Suggestion) bool {
	two := b.of(s)
	for _, side := range two {
		if side.score-s.Score >= closeCall {
			return true
		}
	}
	for _, side := range two {
		side.close++
	}
	return false
}

func (b *bests) rivals(s Suggestion) int {
	two := b.of(s)
	return max(two[0].close, two[1].close) - 1
}

// Certain are the pairs with at least a score that need no person, ready for
// a request.
func (s Suggestions) Certain(least float64) []tasks.Pair {
	var pairs []tasks.Pair
	for _, p := range s.Pairs {
		if !p.Ambiguous && p.Score >= least {
			pairs = append(pairs, tasks.Pair{Company: p.CompanyID.String(), ClientID: p.ClientID})
		}
	}
	return pairs
}

// Dismiss lets pairs never be suggested again. Each pair has its client by id.
// Nothing is dismissed if a company is unknown or ambiguous.
func (e *Engine) Dismiss(ctx context.Context, tenant, actor, ref string, pairs []tasks.Pair) (int, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return 0, err
	}
	dismissed := make([]repo.CompanyClient, len(pairs))
	for i, p := range pairs {
		if p.ClientID == 0 {
			return 0, usagef("pair %d: want the client's id", i+1)
		}
		matches, err := e.store.FindCompanies(ctx, tenant, p.Company, NormaliseName(p.Company))
		if err != nil {
			return 0, err
		}
		company, why := meant(matches)
		if why != "" {
			return 0, usagef("pair %d (%s): %s", i+1, p.Company, why)
		}
		dismissed[i] = repo.CompanyClient{CompanyID: company.ID, ClientID: p.ClientID}
	}
	return e.store.DismissPairs(ctx, tenant, actor, conn.ID, dismissed)
}
