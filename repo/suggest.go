package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Why a company and a client may be the same customer.
const (
	MatchRef        = "ref"         // the external id is the client's ref
	MatchAccountsID = "accounts_id" // the external id is the client's key in the accounting package
	MatchNumber     = "number"      // the external id is the client's number, and the stems are alike
	MatchName       = "name"        // the normalised names are the same
	MatchStem       = "stem"        // the stems are the same
	MatchSimilar    = "similar"     // the stems are similar
)

// SuggestClient is a client to find a company for.
type SuggestClient struct {
	ID              int64
	Norm            string // the normalised name; may be empty
	Stem            string // Norm without its legal form
	Form            string // the legal form; may be empty
	Ref, AccountsID string // keys set by people and other programs; may be empty
}

// SuggestOptions are the options of [Store.Suggest]. Similarities are of stems, in
// pg_trgm's measure from 0 to 1.
type SuggestOptions struct {
	// Split splits a company's normalised name as the caller did the clients'.
	Split func(norm string) (stem, form string)
	// Similar is the minimum similarity of stems; more than 1 turns similar names
	// off.
	Similar float64
	// SimilarWithNumber is the minimum for two whose external id and number are the
	// same.
	SimilarWithNumber float64
	// PerClient is the maximum of pairs of one client with the same stem, and of
	// those with similar ones: the best.
	PerClient int
}

// SuggestPair is a company and a client with something in common. Two that match in
// several ways are returned several times.
type SuggestPair struct {
	CompanyID               uuid.UUID
	CompanyName, ExternalID string
	ClientID                int64
	CompanyForm, ClientForm string
	Match                   string  // [MatchRef], [MatchAccountsID], …
	Similarity              float64 // for [MatchSimilar]
}

// Suggested is the result of [Store.Suggest].
type Suggested struct {
	Pairs   []SuggestPair // in no particular order
	Similar bool          // Postgres has pg_trgm, which similarity needs
}

// Suggest pairs companies that are not mapped on the connection with those of the
// given clients that are not: by key, by name, and the rest by similarity. It leaves
// out pairs that a person dismissed or unmapped. It works on temporary tables and
// locks nothing that others write. Its time grows with the product of both sides:
// 20,000 by 20,000 take some 20 s.
func (s *Store) Suggest(ctx context.Context, tenant string, connectionID uuid.UUID, clients []SuggestClient, opts SuggestOptions) (Suggested, error) {
	var out Suggested
	// One snapshot for all statements.
	err := s.forTenant(tenant).InLongTx(ctx, " isolation level repeatable read", func(tx pgx.Tx) (err error) {
		if err := tx.QueryRow(ctx, `select true from halosync.connections where tenant = $1 and id = $2`,
			tenant, connectionID).Scan(new(bool)); err != nil {
			return err
		}
		if out.Similar, err = trigrams(ctx, tx, opts.Similar); err != nil {
			return err
		}
		if err := loadSuggest(ctx, tx, tenant, connectionID, clients, opts); err != nil {
			return err
		}
		if err := pairSuggest(ctx, tx, out.Similar, opts); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, suggestedSQL)
		if err != nil {
			return err
		}
		out.Pairs, err = pgx.CollectRows(rows, pgx.RowToStructByName[SuggestPair])
		return err
	})
	return out, wrap("suggest", err)
}

// pairSuggest fills the table of pairs, one kind of match after the other.
func pairSuggest(ctx context.Context, tx pgx.Tx, similar bool, opts SuggestOptions) error {
	steps := []struct {
		sql  string
		args []any
	}{
		{suggestKeysSQL, []any{MatchRef}},
		{suggestKeysSQL, []any{MatchAccountsID}},
		{suggestNamesSQL, []any{opts.PerClient}},
		{suggestNumbersSQL + `k.stem = c.stem`, nil},
	}
	if similar {
		steps[3].sql, steps[3].args = suggestNumbersSQL+`(k.stem = c.stem or similarity(k.short, c.short) >= $1)`, []any{opts.SimilarWithNumber}
	}
	for _, s := range steps {
		if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	if !similar || opts.Similar > 1 {
		return nil
	}
	if _, err := tx.Exec(ctx, suggestLeftSQL); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, suggestSimilarSQL, opts.PerClient)
	return err
}

// DismissPairs records pairs that must not be suggested again, with an event each,
// and returns how many were new. It returns [ErrNotFound] if the tenant does not
// have the connection or one of the companies.
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
