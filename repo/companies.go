package repo

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Company is one of the product's companies.
type Company struct {
	ID         uuid.UUID
	Tenant     string
	Name       string // need not be unique
	ExternalID string // the product's own id, unique within the tenant; may be empty
	CreatedAt  time.Time
	ClientID   *int64  // Halo client of the company's first mapping; nil: not mapped
	ClientName *string // nil: not mapped
}

// NewCompany holds the values that [Store.AddCompanies] stores.
type NewCompany struct {
	Name       string // 1 to 1,000 characters
	NormName   string // normalised name for comparisons, computed by the caller
	ExternalID string // up to 200 characters; may be empty
}

// CompanyFilter restricts [Store.Companies]. The zero value of a field means no
// restriction.
type CompanyFilter struct {
	Unmapped     bool       // only companies without any mapping
	ConnectionID *uuid.UUID // consider only mappings of this connection
	Search       string     // only names that contain this text, ignoring case
	NewestFirst  bool       // list the newest first; After then selects older companies
	After        uuid.UUID  // only companies after this one: the next page
	Limit        int        // 1 to 1,000; 0 means 100
}

// AddCompanies stores all of the companies or none, and returns them in the same order.
// If an external id is taken, it returns a [*ConflictError] with that id.
func (s *Store) AddCompanies(ctx context.Context, tenant, actor string, companies []NewCompany) ([]Company, error) {
	rows, err := newCompanyRows(tenant, companies)
	if err != nil {
		return nil, wrap("add companies", err)
	}
	added := make([]Company, len(companies))
	err = s.inTenantTx(ctx, tenant, func(ctx context.Context, tx pgx.Tx) error {
		at, err := insertCompanies(ctx, tx, tenant, actor, rows)
		for i, c := range companies {
			added[i] = Company{ID: rows.ids[i], Tenant: tenant, Name: c.Name, ExternalID: c.ExternalID, CreatedAt: at}
		}
		return err
	})
	if err != nil {
		return nil, wrap("add companies", err)
	}
	return added, nil
}

// companyRows holds companies as columns, for unnest.
type companyRows struct {
	ids                    []uuid.UUID
	names, norms, external []string
}

func newCompanyRows(tenant string, companies []NewCompany) (rows companyRows, err error) {
	if err := checkText("tenant", tenant, 1, 200); err != nil {
		return rows, err
	}
	taken := make(map[string]bool)
	for _, c := range companies {
		if err := c.check(); err != nil {
			return rows, err
		}
		if c.ExternalID != "" && taken[c.ExternalID] {
			return rows, &ConflictError{What: "company with external id", Name: c.ExternalID}
		}
		taken[c.ExternalID] = true
		id, err := newID()
		if err != nil {
			return rows, err
		}
		rows.ids = append(rows.ids, id)
		rows.names = append(rows.names, c.Name)
		rows.norms = append(rows.norms, c.NormName)
		rows.external = append(rows.external, c.ExternalID)
	}
	return rows, nil
}

func (c NewCompany) check() error {
	if err := checkText("company name", c.Name, 1, 1000); err != nil {
		return err
	}
	if reason := unstorable(c.NormName, 1, maxNorm); reason != "" {
		return &InvalidError{What: "normalised company name", Reason: reason}
	}
	return checkText("external id", c.ExternalID, 0, 200)
}

// insertCompanies writes companies, with an event for each.
func insertCompanies(ctx context.Context, tx pgx.Tx, tenant, actor string, rows companyRows) (at time.Time, err error) {
	var taken string
	err = tx.QueryRow(ctx, `
		select now(), coalesce((select external_id from halosync.companies
			where tenant = $1 and external_id is not null and external_id = any($2) limit 1), '')`,
		tenant, rows.external).Scan(&at, &taken)
	if err != nil {
		return at, err
	}
	if taken != "" {
		return at, &ConflictError{What: "company with external id", Name: taken}
	}
	_, err = tx.Exec(ctx, `
		with added as (
			insert into halosync.companies (tenant, id, name, norm_name, external_id)
			select $1, n.id, n.name, n.norm, nullif(n.external, '')
			from unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) as n(id, name, norm, external)
			returning id, name, external_id)
		insert into halosync.events (tenant, actor, action, company_id, after)
		select $1, $2, 'company.created', id, jsonb_build_object('name', name, 'external_id', external_id)
		from added order by id`,
		tenant, note(actor), rows.ids, rows.names, rows.norms, rows.external)
	return at, err
}

// Companies lists the tenant's companies, each with the client of its first mapping.
// The oldest come first unless f says otherwise.
func (s *Store) Companies(ctx context.Context, tenant string, f CompanyFilter) ([]Company, error) {
	way := "c.id > $2 order by c.id"
	switch {
	case f.NewestFirst && f.After == uuid.UUID{}:
		way = "$2::uuid is not null order by c.id desc"
	case f.NewestFirst:
		way = "c.id < $2 order by c.id desc"
	}
	rows, err := s.forTenant(tenant).Query(ctx, `
		select c.id, c.tenant, c.name, coalesce(c.external_id, '') as external_id, c.created_at, m.client_id, m.client_name
		from halosync.companies c
		left join lateral (
			select client_id, client_name from halosync.mappings
			where tenant = c.tenant and company_id = c.id and deleted_at is null and ($6::uuid is null or connection_id = $6)
			order by mapped_at, id limit 1) m on true
		where c.tenant = $1 and ($3 = '' or position(lower($3) in lower(c.name)) > 0)
			and not ($4 and m.client_id is not null) and `+way+` limit $5`,
		tenant, f.After, f.Search, f.Unmapped, limit(f.Limit), f.ConnectionID)
	if err != nil {
		return nil, wrap("companies", err)
	}
	companies, err := pgx.CollectRows(rows, pgx.RowToStructByName[Company])
	return companies, wrap("companies", err)
}

// AllCompanies returns all companies that match f. It reads a thousand at a time, like
// [Store.AllMappings], and ignores f.Limit.
func (s *Store) AllCompanies(ctx context.Context, tenant string, f CompanyFilter) iter.Seq2[Company, error] {
	return chunks(func(last *Company) ([]Company, error) {
		f := f
		f.Limit = chunkSize
		if last != nil {
			f.After = last.ID
		}
		return s.Companies(ctx, tenant, f)
	})
}

// FindCompanies finds the companies to which the argument word may refer. It matches ids
// first, otherwise external ids, otherwise names. norm is the normalised word.
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

// CompaniesByID reads the tenant's companies by id, each with its client on the
// connection. Unknown ids are absent from the result.
func (s *Store) CompaniesByID(ctx context.Context, tenant string, connectionID uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]Company, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `
		select c.id, c.tenant, c.name, coalesce(c.external_id, '') as external_id, c.created_at, m.client_id, m.client_name
		from unnest($3::uuid[]) as asked(id)
		cross join lateral (
			select * from halosync.companies c where c.tenant = $1 and c.id = asked.id limit 1) c
		left join lateral (
			select client_id, client_name from halosync.mappings
			where tenant = c.tenant and company_id = c.id and connection_id = $2 and deleted_at is null
			order by mapped_at, id limit 1) m on true`,
		tenant, connectionID, ids)
	if err != nil {
		return nil, wrap("companies by id", err)
	}
	companies, err := pgx.CollectRows(rows, pgx.RowToStructByName[Company])
	byID := make(map[uuid.UUID]Company, len(companies))
	for _, c := range companies {
		byID[c.ID] = c
	}
	return byID, wrap("companies by id", err)
}

// PickCompanies lists up to maxRows companies for a person to choose from when mapping a
// client on a connection. Companies without a mapping on the connection come first, older
// companies before newer ones. Each company includes its client on the connection. If
// search is not empty, only names that contain it are listed, ignoring case.
//
// If all companies are mapped, the query must check each of them. It is written so that
// the planner does not look up their mappings one by one. Without statistics, the
// planner would use the wrong index, which takes minutes for 100,000 companies.
func (s *Store) PickCompanies(ctx context.Context, tenant string, connectionID uuid.UUID, search string, maxRows int) (found []Company, err error) {
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local enable_nestloop = off`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			select c.id, c.tenant, c.name, coalesce(c.external_id, '') as external_id, c.created_at, m.client_id, m.client_name
			from halosync.companies c
			left join halosync.mappings m
				on m.tenant = $1 and m.connection_id = $2 and m.company_id = c.id and m.deleted_at is null
			where c.tenant = $1 and ($3 = '' or position(lower($3) in lower(c.name)) > 0)
			order by m.client_id is not null, c.id limit $4`,
			tenant, connectionID, search, limit(maxRows))
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Company])
		return err
	})
	return found, wrap("companies to pick from", err)
}
