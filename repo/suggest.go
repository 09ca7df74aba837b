package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reasons why a company and a client may be the same customer.
const (
	MatchRef        = "ref"         // the company's external id is the client's ref
	MatchAccountsID = "accounts_id" // the company's external id is the client's key in the accounting package
	MatchNumber     = "number"      // the company's external id is the client's number, and the stems are similar
	MatchName       = "name"        // the normalised names are equal
	MatchStem       = "stem"        // the stems are equal
	MatchSimilar    = "similar"     // the stems are similar
)

// SuggestClient is a client for which to find a company.
type SuggestClient struct {
	ID              int64
	Norm            string // the normalised name; may be empty
	Stem            string // Norm without its legal form
	Form            string // the legal form; may be empty
	Ref, AccountsID string // ids that people or other programs set in Halo; may be empty
}

// SuggestOptions are the options of [Store.Suggest]. pg_trgm computes the similarity of
// two stems, from 0 to 1.
type SuggestOptions struct {
	// Split splits a company's normalised name in the same way as the caller split the
	// clients' names.
	Split func(norm string) (stem, form string)
	// Similar is the minimum similarity of stems.
	Similar float64
	// SimilarWithNumber is the minimum similarity if the company's external id is the
	// client's number.
	SimilarWithNumber float64
	// PerClient is the maximum number of pairs per client with the same stem, and of
	// pairs with similar stems. The best ones are kept.
	PerClient int
}

// SuggestPair is a company and a client that match. A pair that matches in several ways
// is returned several times.
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

// Suggest matches companies that are not mapped on the connection to those given clients
// that are not mapped either: first by key, then by name, then by similarity. It leaves out
// pairs that a person dismissed or unmapped. It works on temporary tables and blocks no
// writers. Its duration grows with the number of companies times the number of clients:
// 20,000 companies and 20,000 clients take about 20 s.
func (s *Store) Suggest(ctx context.Context, tenant string, connectionID uuid.UUID, clients []SuggestClient, opts SuggestOptions) (Suggested, error) {
	var out Suggested
	// All statements see one snapshot.
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

// pairSuggest fills the table of pairs, one kind of match after another.
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
	if !similar {
		return nil
	}
	if _, err := tx.Exec(ctx, suggestLeftSQL); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, suggestSimilarSQL, opts.PerClient)
	return err
}

// DismissPairs records pairs that must not be suggested again, with an event for each.
// It returns the number of pairs that had not been dismissed before. It returns
// [ErrNotFound] if the tenant does not have the connection or one of the companies.
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
