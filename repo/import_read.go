package repo

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/repo/internal/scoped"
)

// batchRun holds the fields of a run that a batch needs.
type batchRun struct {
	requestedBy string
	repeated    bool // this batch was already written
}

const (
	lockRunSQL = `
		select r.requested_by, r.cancel_requested_at is not null,
			exists (select from halosync.run_pages p where p.tenant = r.tenant and p.run_id = r.id and p.pass = $4 and p.page = $5)
		from halosync.runs r
		where r.tenant = $1 and r.id = $2 and r.fence = $3 and r.connection_id = $6 and r.state = 'running'
		for update of r`

	// The query looks up the rows of a batch one by one. The lateral join with a limit
	// makes the planner use an index. For a new table without statistics, it would
	// otherwise scan the table. "is not distinct from" means "=" here, but no index
	// serves it, so the planner cannot choose an index that begins with the tenant. With
	// "=", and without statistics for the tenant, all indexes look equally good, and the
	// planner chose to read an index of the whole tenant or connection for each client.
	// All lookups of many rows are written this way. Joined tables take the tenant from
	// the rows already found, because the planner estimates no rows for a value that is
	// not in the statistics.
	mappedSQL = `
		select n.id, m.id, m.company_id, c.name, m.client_name, m.client_inactive, m.state
		from unnest($3::bigint[]) as n(id)
		cross join lateral (
			select * from halosync.mappings m
			where m.tenant is not distinct from $1 and m.connection_id = $2 and m.client_id = n.id and m.deleted_at is null
			limit 1) m
		cross join lateral (
			select c.name from halosync.companies c where c.tenant = $1 and c.id = m.company_id limit 1) c`

	unmappedSQL = `
		select n.id, m.at
		from unnest($3::bigint[]) as n(id)
		cross join lateral (
			select max(m.deleted_at) as at from halosync.mappings m
			where m.tenant is not distinct from $1 and m.connection_id = $2 and m.client_id = n.id and m.deleted_at is not null) m
		where m.at >= (select queued_at from halosync.runs where tenant = $1 and id = $4)`

	// The index is on the hash. The hash is computed first: under row level security, a
	// condition that computes a hash cannot use an index. Because of the limit, a name
	// shared by thousands of companies costs no more than any other. The tenant is a
	// column of n. If it were a parameter, its value might be missing from the
	// statistics, and the index that begins with the tenant would look equally good.
	candidatesSQL = `
		with n as materialized (select $1 as tenant, norm, hashtextextended(norm, 0) as hash from unnest($3::text[]) norm)
		select n.norm, c.id, c.name, c.mapped
		from n
		cross join lateral (
			select co.id, co.name, exists (
				select from halosync.mappings m
				where m.tenant = co.tenant and m.connection_id is not distinct from $2 and m.company_id = co.id and m.deleted_at is null) as mapped
			from halosync.companies co
			where co.tenant = n.tenant and co.norm_hash = n.hash and co.norm_name = n.norm
			order by mapped, co.id limit $4) c`
)

// readBatch does the first round trip: it begins the transaction, takes the locks and
// reads. It leaves the transaction open, or in the failed state if it returns an error.
func readBatch(ctx context.Context, conn *pgxpool.Conn, scope scoped.Scope, ref RunRef, p ImportBatch) (BatchState, batchRun, error) {
	state := BatchState{
		Mapped:     make(map[int64]StoredMapping),
		Unmapped:   make(map[int64]time.Time),
		Candidates: make(map[string][]Candidate),
	}
	var run batchRun
	ids := p.ids()

	b := &pgx.Batch{}
	scope.QueueBegin(b)
	if !p.Compare { // a resync creates neither companies nor mappings
		b.Queue(lockTenantSQL, ref.Tenant)
	}
	b.Queue(lockRunSQL, ref.Tenant, ref.ID, ref.Fence, p.Pass, p.Page, ref.ConnectionID).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&run.requestedBy, &state.Cancelled, &run.repeated)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrFenced
		}
		return err
	})
	b.Queue(mappedSQL, ref.Tenant, ref.ConnectionID, ids).Query(func(rows pgx.Rows) error {
		var id int64
		var m StoredMapping
		return each(rows, func() { state.Mapped[id] = m },
			&id, &m.ID, &m.CompanyID, &m.CompanyName, &m.ClientName, &m.ClientInactive, &m.State)
	})
	if !p.Compare { // a resync needs neither
		b.Queue(unmappedSQL, ref.Tenant, ref.ConnectionID, ids, ref.ID).Query(func(rows pgx.Rows) error {
			var id int64
			var at time.Time
			return each(rows, func() { state.Unmapped[id] = at }, &id, &at)
		})
		b.Queue(candidatesSQL, ref.Tenant, ref.ConnectionID, p.distinctNorms(), maxCandidates).Query(func(rows pgx.Rows) error {
			var norm string
			var c Candidate
			return each(rows, func() { state.Candidates[norm] = append(state.Candidates[norm], c) },
				&norm, &c.CompanyID, &c.Name, &c.Mapped)
		})
	}
	return state, run, conn.SendBatch(ctx, b).Close()
}

// each scans every row into dest and then calls f.
func each(rows pgx.Rows, f func(), dest ...any) error {
	_, err := pgx.ForEachRow(rows, dest, func() error {
		f()
		return nil
	})
	return err
}

// ids returns the ids of the batch's clients.
func (p ImportBatch) ids() []int64 {
	ids := make([]int64, len(p.Clients))
	for i, c := range p.Clients {
		ids[i] = c.ID
	}
	return ids
}

// distinctNorms returns the distinct normalised names to look up, omitting those that
// cannot be stored.
func (p ImportBatch) distinctNorms() []string {
	norms := []string{}
	asked := make(map[string]bool, len(p.NormNames))
	for _, norm := range p.NormNames {
		if asked[norm] || unstorable(norm, 1, maxNorm) != "" {
			continue
		}
		asked[norm] = true
		norms = append(norms, norm)
	}
	return norms
}
