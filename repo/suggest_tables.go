package repo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// trigrams makes the functions of pg_trgm available to this transaction, whichever
// schema they are in, and reports whether the extension is installed.
func trigrams(ctx context.Context, tx pgx.Tx, similar float64) (bool, error) {
	// Lower the threshold slightly: pg_trgm compares a float4 similarity with a float8
	// threshold, and the float8 0.45 is slightly more than the float4 0.45.
	err := tx.QueryRow(ctx, `
		select set_config('search_path', quote_ident(n.nspname), true) || set_config('pg_trgm.similarity_threshold', $1, true)
		from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
		where e.extname = 'pg_trgm'`, fmt.Sprint(similar-0.0001)).Scan(new(string))
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// loadSuggest fills the temporary tables with unmapped companies and clients, and with
// the pairs that must not be suggested.
func loadSuggest(ctx context.Context, tx pgx.Tx, tenant string, connectionID uuid.UUID, clients []SuggestClient, opts SuggestOptions) error {
	if _, err := tx.Exec(ctx, suggestTablesSQL); err != nil {
		return err
	}
	if err := copyCompanies(ctx, tx, tenant, connectionID, opts); err != nil {
		return err
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", "suggest_clients"},
		[]string{"id", "norm", "stem", "form", "short", "ref", "accounts_id"},
		pgx.CopyFromSlice(len(clients), func(i int) ([]any, error) {
			c := clients[i]
			return []any{c.ID, c.Norm, c.Stem, c.Form, short(c.Stem, maxShort), c.Ref, c.AccountsID}, nil
		}))
	if err != nil {
		return err
	}
	for _, sql := range []string{suggestMappedSQL, suggestBarredSQL} {
		if _, err := tx.Exec(ctx, sql, tenant, connectionID); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, suggestIndexSQL)
	return err
}

// copyCompanies fills the table of companies that are not mapped on the connection,
// with the parts of their names.
func copyCompanies(ctx context.Context, tx pgx.Tx, tenant string, connectionID uuid.UUID, opts SuggestOptions) error {
	rows, err := tx.Query(ctx, suggestCompaniesSQL, tenant, connectionID)
	if err != nil {
		return err
	}
	var companies [][]any
	var id uuid.UUID
	var name, external, norm string
	err = each(rows, func() {
		stem, form := opts.Split(norm)
		companies = append(companies, []any{id, name, strings.TrimSpace(external), norm, stem, form, short(stem, maxShort)})
	}, &id, &name, &external, &norm)
	if err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", "suggest_companies"},
		[]string{"id", "name", "external_id", "norm", "stem", "form", "short"}, pgx.CopyFromRows(companies))
	return err
}

// maxShort is the length of the part of a stem that similarity compares, in characters. It
// is enough, and a name can be very long.
const maxShort = 200

// short returns the first n characters of a text.
func short(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
