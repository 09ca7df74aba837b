package repo

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// LeastSimilar is the trigram similarity from which names are alike.
const LeastSimilar = 0.45

// SuggestClient is a client to find a company for.
type SuggestClient struct {
	ID              int64
	Name            string
	Norm, Stem      string // normalised, and without its legal form
	Ref, AccountsID string // keys that people and other programs gave it
}

// SuggestPair is a company and a client that have something in common.
type SuggestPair struct {
	CompanyID                uuid.UUID
	CompanyName, CompanyNorm string
	CompanyStem, ExternalID  string
	ClientID                 int64
	ClientName, ClientNorm   string
	ClientStem               string
	Ref, AccountsID          string
	Similarity               float64 // of the stems; 0 if it was not looked at
}

// Suggested is what [Store.Suggest] finds.
type Suggested struct {
	Pairs   []SuggestPair
	Similar bool // similar names were looked for, which takes pg_trgm
}

// Suggest pairs companies that are not mapped on the connection with those of
// the given clients that are not: by key, by name, and for what is left by
// similarity, at most five for each client. Dismissed pairs and pairs that a
// person unmapped are left out. stem takes the legal form off a normalised
// name. It works on temporary tables and locks nothing that others write.
func (s *Store) Suggest(ctx context.Context, tenant string, connectionID uuid.UUID, clients []SuggestClient, stem func(string) string) (Suggested, error) {
	var out Suggested
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		schema, err := trigrams(ctx, tx)
		if err != nil {
			return err
		}
		out.Similar = schema != ""
		if err := loadSuggest(ctx, tx, tenant, connectionID, clients, stem); err != nil {
			return err
		}
		if err := pairSuggest(ctx, tx, tenant, connectionID, schema); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			select c.id as company_id, c.name as company_name, c.norm as company_norm, c.stem as company_stem, c.external_id,
				k.id as client_id, k.name as client_name, k.norm as client_norm, k.stem as client_stem, k.ref, k.accounts_id, p.similarity
			from suggest_pairs p join suggest_companies c on c.id = p.company_id join suggest_clients k on k.id = p.client_id`)
		if err != nil {
			return err
		}
		out.Pairs, err = pgx.CollectRows(rows, pgx.RowToStructByName[SuggestPair])
		return err
	})
	return out, wrap("suggest", err)
}

// trigrams finds the schema that pg_trgm is in, and puts it on the path of
// this transaction; empty: it is not installed.
func trigrams(ctx context.Context, tx pgx.Tx) (schema string, err error) {
	err = tx.QueryRow(ctx, `
		select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'`).Scan(&schema)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `select set_config('search_path', quote_ident($1), true), set_config('pg_trgm.similarity_threshold', $2::text, true)`,
		schema, "0.45")
	return schema, err
}

// loadSuggest fills the temporary tables with both sides.
func loadSuggest(ctx context.Context, tx pgx.Tx, tenant string, connectionID uuid.UUID, clients []SuggestClient, stem func(string) string) error {
	_, err := tx.Exec(ctx, `
		create temporary table suggest_companies (id uuid primary key, name text, norm text, stem text, external_id text) on commit drop;
		create temporary table suggest_clients (id bigint primary key, name text, norm text, stem text, ref text, accounts_id text) on commit drop;
		create temporary table suggest_pairs (company_id uuid, client_id bigint, similarity float8, primary key (company_id, client_id)) on commit drop`)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `
		select co.id, co.name, co.norm_name, coalesce(co.external_id, '') from halosync.companies co
		where co.tenant = $1 and not exists (
			select from halosync.mappings m
			where m.tenant = $1 and m.connection_id = $2 and m.company_id = co.id and m.deleted_at is null)`, tenant, connectionID)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var name, norm, external string
	var companies [][]any
	if err := each(rows, func() { companies = append(companies, []any{id, name, norm, stem(norm), external}) },
		&id, &name, &norm, &external); err != nil {
		return err
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"suggest_companies"},
		[]string{"id", "name", "norm", "stem", "external_id"}, pgx.CopyFromRows(companies)); err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"suggest_clients"}, []string{"id", "name", "norm", "stem", "ref", "accounts_id"},
		pgx.CopyFromSlice(len(clients), func(i int) ([]any, error) {
			c := clients[i]
			return []any{c.ID, c.Name, c.Norm, c.Stem, c.Ref, c.AccountsID}, nil
		}))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		delete from suggest_clients k using halosync.mappings m
		where m.tenant = $1 and m.connection_id = $2 and m.client_id = k.id and m.deleted_at is null`, tenant, connectionID)
	return err
}

// pairSuggest finds the pairs, tier by tier.
func pairSuggest(ctx context.Context, tx pgx.Tx, tenant string, connectionID uuid.UUID, schema string) error {
	alike := `0`
	if schema != "" {
		alike = `similarity(c.stem, k.stem)`
	}
	steps := []string{
		`analyze suggest_companies`, `analyze suggest_clients`,
		`insert into suggest_pairs select c.id, k.id, ` + alike + ` from suggest_companies c join suggest_clients k
			on c.external_id <> '' and c.external_id in (k.ref, k.accounts_id, k.id::text) on conflict do nothing`,
		`insert into suggest_pairs select c.id, k.id, 1 from suggest_companies c join suggest_clients k on c.stem = k.stem on conflict do nothing`,
	}
	if schema != "" {
		steps = append(steps,
			`create index on suggest_companies using gin (stem gin_trgm_ops)`,
			`insert into suggest_pairs
			select c.id, k.id, c.alike from suggest_clients k
			cross join lateral (
				select c.id, similarity(c.stem, k.stem) as alike from suggest_companies c
				where c.stem % k.stem and not exists (
					select from suggest_pairs p join suggest_clients o on o.id = p.client_id
					where p.company_id = c.id and c.stem = o.stem)
				order by alike desc, c.id limit 5) c
			where not exists (select from suggest_pairs p join suggest_companies o on o.id = p.company_id where p.client_id = k.id and o.stem = k.stem)
			on conflict do nothing`)
	}
	for _, sql := range steps {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `
		delete from suggest_pairs p where exists (
				select from halosync.dismissals d where d.tenant = $1 and d.connection_id = $2 and d.company_id = p.company_id and d.client_id = p.client_id)
			or exists (
				select from halosync.mappings m where m.tenant = $1 and m.connection_id = $2 and m.company_id = p.company_id
					and m.client_id = p.client_id and m.deleted_at is not null)`, tenant, connectionID)
	return err
}

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
	err = state.readCompanies(ctx, s.pool, RunRef{Tenant: tenant}, MapChunk{Pairs: []PairLookup{{CompanyID: id, Company: word, Norm: norm}}})
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
	err = s.inTx(ctx, func(tx pgx.Tx) error {
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
