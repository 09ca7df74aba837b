// Package suggest finds pairs of an unmapped company and an unmapped client that may be
// the same customer. They match by key, by name, by name without its legal form, or by
// similarity.
package suggest

import (
	"context"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/names"
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
	Score       float64 // 0 to 1, in hundredths
	Reason      string
	Ambiguous   bool // another pair fits nearly as well: a person must decide
}

// Suggestions holds pairs, the best first. Notices say what may be missing and why.
type Suggestions struct {
	Pairs   []Suggestion
	Notices []string
}

// Find suggests pairs of unmapped companies and unmapped, active clients of a connection,
// using Halo's current list of clients. It drops pairs with a score below minScore (0 to 1)
// and pairs that a person dismissed or unmapped. If Halo's list cannot be read to the end,
// Find returns an error and no pairs.
func Find(ctx context.Context, store *repo.Store, api *halo.API, conn repo.Connection, minScore float64) (Suggestions, error) {
	clients, doubt, err := activeClients(ctx, api)
	if err != nil {
		return Suggestions{}, err
	}
	clientNames := make(map[int64]string, len(clients))
	candidates := make([]repo.SuggestClient, len(clients))
	for i, c := range clients {
		norm := names.Normalise(c.Name)
		stem, form := names.StripLegalForm(norm)
		clientNames[c.ID] = c.Name
		candidates[i] = repo.SuggestClient{ID: c.ID, Norm: norm, Stem: stem, Form: form, Ref: c.Ref, AccountsID: c.AccountsID}
	}
	found, err := store.Suggest(ctx, conn.Tenant, conn.ID, candidates, repo.SuggestOptions{
		Split: names.StripLegalForm, Similar: similarFor(minScore), SimilarWithNumber: similarWithNumber, PerClient: perClient,
	})
	if err != nil {
		return Suggestions{}, err
	}
	out := Suggestions{Pairs: rank(found.Pairs, clientNames, minScore)}
	if doubt != "" {
		out.Notices = append(out.Notices, "clients may be missing: "+doubt)
	}
	if !found.Similar {
		out.Notices = append(out.Notices, "similar names need the Postgres extension pg_trgm: create extension pg_trgm")
	}
	return out, nil
}

// activeClients lists Halo's active clients except the "Unknown" one. Like an import,
// it reads the list again if the list changes meanwhile, because a missed client could
// make a pair ambiguous. The result doubt is the reason why clients may still be
// missing, or empty if the list is proved complete.
func activeClients(ctx context.Context, api *halo.API) (clients []halo.Client, doubt string, err error) {
	doubt, err = proof.List{Query: halo.Query{VerifyTail: true}}.Read(ctx, api, func(c halo.Client, isNew bool) {
		if isNew && !c.Inactive && c.ID != proof.UnknownClientID {
			clients = append(clients, c)
		}
	})
	return clients, doubt, err
}

// Certain returns the unambiguous pairs with a score of at least minScore, ready for a
// request.
func (s Suggestions) Certain(minScore float64) []tasks.Pair {
	var pairs []tasks.Pair
	for _, p := range s.Pairs {
		if !p.Ambiguous && p.Score >= minScore {
			pairs = append(pairs, tasks.Pair{Company: p.CompanyID.String(), ClientID: p.ClientID})
		}
	}
	return pairs
}
