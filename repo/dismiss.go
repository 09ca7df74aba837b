package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// FindCompanies finds the companies that a person may mean by a word: by id,
// else by external id, else by name; norm is the word normalised.
func (s *Store) FindCompanies(ctx context.Context, tenant, word, norm string) ([]CompanyMatch, error) {
	if unstorable(word, 1, maxNorm) != "" {
		return nil, nil
	}
	id, err := uuid.Parse(word)
	if err != nil {
		id = uuid.Nil
	}
	state := MapState{Companies: make([][]CompanyMatch, 1)}
	err = state.readCompanies(ctx, s.forTenant(tenant), RunRef{Tenant: tenant}, MapChunk{Pairs: []PairLookup{{CompanyID: id, Company: word, Norm: norm}}})
	return state.Companies[0], wrap("find companies", err)
}

// DismissPairs notes pairs that must not be suggested any more, with an event
// each, and says how many were new. [ErrNotFound] if the tenant does not have
// the connection or one of the companies.
func (s *Store) DismissPairs(ctx context.Context, tenant, actor string, connectionID uuid.UUID, pairs []CompanyClient) (n int, err error) {
	companies, clients := make([]uuid.UUID, len(pairs)), make([]int64, len(pairs))
	for i, p := range pairs {
		companies[i], clients[i] = p.CompanyID, p.ClientID
	}
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			with added as (
				insert into halosync.dismissals (tenant, connection_id, company_id, client_id, dismissed_by)
				select distinct $1::text, $2::uuid, n.company_id, n.client_id, $3::text from unnest($4::uuid[], $5::bigint[]) as n(company_id, client_id)
				on conflict do nothing
				returning company_id, client_id),
			logged as (
				insert into halosync.events (tenant, actor, action, connection_id, company_id, client_id)
				select $1, $3, 'suggestion.dismissed', $2, company_id, client_id from added)
			select count(*) from added`, tenant, connectionID, note(actor), companies, clients).Scan(&n)
	})
	return n, wrap("dismiss pairs", err)
}
