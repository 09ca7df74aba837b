package engine

import (
	"context"

	"github.com/halosync/halosync/internal/mapper"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// RequestSuggestions requests a run that computes the suggestions of a connection: pairs of
// unmapped companies and unmapped active clients. When the run has succeeded, its list
// replaces the former one; see [Engine.Suggestions].
func (e *Engine) RequestSuggestions(ctx context.Context, tenant, connection, by string) (Receipt, error) {
	conn, err := e.activeConnection(ctx, tenant, connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.SuggestArgs{Tenant: tenant, ConnectionID: conn.ID.String(), RequestedBy: by}
	return request(ctx, e, repo.KindSuggest, args)
}

// Suggestions returns the stored suggestions of a connection that are still open, without a
// request to Halo; see [repo.Store.Suggestions].
func (e *Engine) Suggestions(ctx context.Context, tenant, connection string, f repo.SuggestionFilter) (repo.StoredSuggestions, error) {
	if !(f.MinScore >= 0 && f.MinScore <= 1) { // the negation also rejects NaN
		return repo.StoredSuggestions{}, usagef("score %v: want 0 to 1", f.MinScore)
	}
	conn, err := e.FindConnection(ctx, tenant, connection)
	if err != nil {
		return repo.StoredSuggestions{}, err
	}
	return e.store.Suggestions(ctx, tenant, conn.ID, f)
}

// Dismiss excludes pairs from future suggestions and returns the number of pairs that
// it dismissed. Each pair identifies its client by id. If any company is unknown or
// ambiguous, Dismiss dismisses no pair.
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
		matches, err := e.store.FindCompanies(ctx, tenant, p.Company, names.Normalise(p.Company))
		if err != nil {
			return 0, err
		}
		company, why := mapper.ResolveCompany(matches)
		if why != "" {
			return 0, usagef("pair %d (%s): %s", i+1, p.Company, why)
		}
		dismissed[i] = repo.CompanyClient{CompanyID: company.ID, ClientID: p.ClientID}
	}
	return e.store.DismissPairs(ctx, tenant, actor, conn.ID, dismissed)
}
