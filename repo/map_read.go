package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// The best kind of match comes first, and the reader keeps only that kind.
	matchingCompaniesSQL = `
		with n as materialized (
			select $1 as tenant, id, word, norm, ord, hashtextextended(norm, 0) as hash
			from unnest($2::uuid[], $3::text[], $4::text[]) with ordinality as n(id, word, norm, ord))
		select n.ord, c.kind, c.id, c.name
		from n
		cross join lateral (
			select 1 as kind, co.id, co.name from halosync.companies co where co.tenant = $1 and co.id = n.id
			union all
			select 2, co.id, co.name from halosync.companies co where co.tenant = n.tenant and co.external_id = n.word
			union all
			(select case when co.name = n.word then 3 else 4 end as kind, co.id, co.name from halosync.companies co
			 where co.tenant = n.tenant and co.norm_hash = n.hash and co.norm_name = n.norm
			 order by kind, co.id limit $5)) c
		order by n.ord, c.kind, c.id`

	activeMappingsSQL = `
		select m.id, m.company_id, c.name, m.client_id, m.client_name
		from (
			select * from halosync.mappings where tenant is not distinct from $1 and connection_id = $2 and company_id = any($3) and deleted_at is null
			union
			select * from halosync.mappings where tenant is not distinct from $1 and connection_id = $2 and client_id = any($4) and deleted_at is null) m
		join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id`

	settledPairsSQL = `
		select pair, company_id, client_id from halosync.run_items
		where tenant = $1 and run_id = $2 and settled and pair > 0 and (company_id = any($3) or client_id = any($4))
		order by pair`

	unmappedPairsSQL = `
		select company_id, client_id from halosync.mappings
		where tenant is not distinct from $1 and connection_id = $2 and company_id = any($3) and client_id = any($4)
			and deleted_at >= (select queued_at from halosync.runs where tenant = $1 and id = $5)`
)

// maxMatches is the maximum number of companies read for a name.
const maxMatches = 5

// readMapState reads the state of the companies and clients in a chunk.
func readMapState(ctx context.Context, tx pgx.Tx, ref RunRef, c MapChunk) (MapState, error) {
	state := MapState{
		Companies: make([][]CompanyMatch, len(c.Pairs)), ByCompany: make(map[uuid.UUID]ActiveMapping),
		ByClient: make(map[int64]ActiveMapping), Unmapped: make(map[CompanyClient]bool),
	}
	if err := state.readCompanies(ctx, tx, ref, c); err != nil {
		return state, err
	}
	companies, clients := []uuid.UUID{}, []int64{}
	for i, p := range c.Pairs {
		clients = append(clients, p.ClientID)
		for _, m := range state.Companies[i] {
			companies = append(companies, m.ID)
		}
	}

	b := &pgx.Batch{}
	b.Queue(activeMappingsSQL, ref.Tenant, ref.ConnectionID, companies, clients).Query(func(rows pgx.Rows) error {
		var f ActiveMapping
		return each(rows, func() { state.ByCompany[f.CompanyID], state.ByClient[f.ClientID] = f, f },
			&f.ID, &f.CompanyID, &f.CompanyName, &f.ClientID, &f.ClientName)
	})
	b.Queue(settledPairsSQL, ref.Tenant, ref.ID, companies, clients).Query(func(rows pgx.Rows) error {
		var s SettledPair
		return each(rows, func() { state.Settled = append(state.Settled, s) }, &s.Pair, &s.CompanyID, &s.ClientID)
	})
	b.Queue(unmappedPairsSQL, ref.Tenant, ref.ConnectionID, companies, clients, ref.ID).Query(func(rows pgx.Rows) error {
		var pair CompanyClient
		return each(rows, func() { state.Unmapped[pair] = true }, &pair.CompanyID, &pair.ClientID)
	})
	return state, tx.SendBatch(ctx, b).Close()
}

// readCompanies finds the companies that each pair may refer to.
func (s *MapState) readCompanies(ctx context.Context, q querier, ref RunRef, c MapChunk) error {
	ids, words, norms := make([]uuid.UUID, len(c.Pairs)), make([]string, len(c.Pairs)), make([]string, len(c.Pairs))
	for i, p := range c.Pairs {
		ids[i], words[i], norms[i] = p.CompanyID, p.Company, p.Norm
	}
	rows, err := q.Query(ctx, matchingCompaniesSQL, ref.Tenant, ids, words, norms, maxMatches)
	if err != nil {
		return err
	}
	best := make([]int, len(c.Pairs))
	var ord, kind int
	var m CompanyMatch
	return each(rows, func() {
		i := ord - 1
		if best[i] == 0 {
			best[i] = kind
		}
		if best[i] == kind {
			s.Companies[i] = append(s.Companies[i], m)
		}
	}, &ord, &kind, &m.ID, &m.Name)
}
