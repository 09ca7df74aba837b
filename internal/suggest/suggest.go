// Package suggest finds pairs of an unmapped company and an unmapped client that may be
// the same customer: by key, by name, by name without its legal form, by likeness.
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
	Ambiguous   bool // something else fits nearly as well: for a person to decide
}

// Suggestions are pairs, the best ones first. Notices say what may be missing,
// and why.
type Suggestions struct {
	Pairs   []Suggestion
	Notices []string
}

// Find pairs the unmapped companies with the unmapped, active clients of a connection, as
// Halo shows them now. Pairs with a score below minScore, 0 to 1, are left out, and so
// are those that a person dismissed or unmapped. If Halo cannot be read to the end there
// is an error and no pairs.
func Find(ctx context.Context, store *repo.Store, api *halo.API, conn repo.Connection, minScore float64) (Suggestions, error) {
	clients, doubt, err := activeClients(ctx, api)
	if err != nil {
		return Suggestions{}, err
	}
	clientNames := make(map[int64]string, len(clients))
	asked := make([]repo.SuggestClient, len(clients))
	for i, c := range clients {
		norm := names.Normalise(c.Name)
		stem, form := names.StripLegalForm(norm)
		clientNames[c.ID] = c.Name
		asked[i] = repo.SuggestClient{ID: c.ID, Norm: norm, Stem: stem, Form: form, Ref: c.Ref, AccountsID: c.AccountsID}
	}
	found, err := store.Suggest(ctx, conn.Tenant, conn.ID, asked, repo.SuggestOptions{
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

// activeClients lists Halo's active clients but the "Unknown" one. A list that
// changes while it is read is read again, as an import does: a client that was
// missed could be the very one that makes a pair ambiguous. doubt says why
// there may be more all the same, and is empty if that is ruled out.
func activeClients(ctx context.Context, api *halo.API) (clients []halo.Client, doubt string, err error) {
	doubt, err = proof.List{Query: halo.Query{VerifyTail: true}}.Read(ctx, api, func(c halo.Client, isNew bool) {
		if isNew && !c.Inactive && c.ID != proof.UnknownClientID {
			clients = append(clients, c)
		}
	})
	return clients, doubt, err
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
