package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// lockTenantRunsSQL serialises the claims of a tenant's bulk runs. It is a different
// lock from lockTenantSQL, so that claims do not wait for batches that are being
// written.
const lockTenantRunsSQL = `select pg_advisory_xact_lock(hashtextextended('halosync runs of tenant ' || $1, 0))`

func queueTenantRunsLock(b *pgx.Batch, n NewRun) {
	if n.TenantRuns != 0 && n.Kind.MayBeBulk() {
		b.Queue(lockTenantRunsSQL, n.Tenant)
	}
}

// checkFree returns a [*BusyError] if a bulk run must wait. This is the case if another
// bulk run is running on the connection, or if maxRuns bulk runs of the tenant are
// running (0: no maximum).
func checkFree(ctx context.Context, tx pgx.Tx, run Run, maxRuns int) error {
	var bulk bool
	var other *uuid.UUID
	var running int
	err := tx.QueryRow(ctx, `
		with others as (
			select id, connection_id from halosync.runs
			where tenant = $1 and state = 'running' and halosync.is_bulk(kind, args) and id <> $3)
		select halosync.is_bulk($4, $5), (select id from others where connection_id = $2 limit 1), (select count(*) from others)`,
		run.Tenant, run.ConnectionID, run.ID, run.Kind, run.Args).Scan(&bulk, &other, &running)
	switch {
	case err != nil:
		return err
	case !bulk:
		return nil
	case other != nil:
		return &BusyError{RunID: *other}
	case maxRuns == 0 || running < maxRuns:
		return nil
	}
	lost, err := fenceOffLost(ctx, tx, run)
	if err != nil || running-lost < maxRuns {
		return err
	}
	return &BusyError{Running: running - lost}
}

// fenceOffLost counts the tenant's other bulk runs whose execution has had no heartbeat
// for a minute. It fences these executions off, because they may be frozen rather than
// dead; a fenced execution can no longer write. The runs are claimed again like any
// others. A run that is being written right now is alive and is skipped.
func fenceOffLost(ctx context.Context, tx pgx.Tx, run Run) (int, error) {
	tag, err := tx.Exec(ctx, `
		update halosync.runs set fence = fence + 1
		where tenant = $1 and id in (
			select id from halosync.runs
			where tenant = $1 and state = 'running' and halosync.is_bulk(kind, args) and id <> $2
				and beat_at < now() - interval '1 minute'
			for no key update skip locked)`, run.Tenant, run.ID)
	return int(tag.RowsAffected()), err
}

// maxNext is the maximum number of runs that NextRuns returns.
const maxNext = 20

// NextRuns returns the tenant's bulk runs that were refused with a [*BusyError] and may
// continue now that ref's run is no longer running. It returns as many runs as maxRuns
// allows (0: no maximum), at most 20, and skips connections with a running bulk run.
// The runs that have waited longest come first, so that runs take turns.
func (s *Store) NextRuns(ctx context.Context, ref RunRef, maxRuns int) ([]uuid.UUID, error) {
	rows, err := s.forTenant(ref.Tenant).Query(ctx, `
		with running as (
			select connection_id from halosync.runs where tenant = $1 and state = 'running' and halosync.is_bulk(kind, args))
		select id from halosync.runs
		where tenant = $1 and state = 'queued' and halosync.is_bulk(kind, args) and id <> $2
			and wait_reason <> '' and (not_before is null or not_before <= now())
			and connection_id not in (select connection_id from running)
		order by beat_at nulls first, queued_at
		limit least($4, case when $3 = 0 then $4 else greatest($3 - (select count(*) from running), 0) end)`,
		ref.Tenant, ref.ID, maxRuns, maxNext)
	if err != nil {
		return nil, wrap("next runs", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return ids, wrap("next runs", err)
}

// OthersWait reports whether another run, of any tenant, could start if ref's run made
// room. Such a run is queued and due, and no runs other than ref's keep its connection
// or tenant busy. A tenant is busy if maxRuns of its bulk runs are running (0: no
// maximum).
func (s *Store) OthersWait(ctx context.Context, ref RunRef, maxRuns int) (bool, error) {
	var waiting bool
	err := s.forAllTenants().QueryRow(ctx, `
		with running as (
			select tenant, connection_id from halosync.runs
			where state = 'running' and halosync.is_bulk(kind, args) and id <> $1),
		full_tenants as (
			select tenant from running where $2 > 0 group by tenant having count(*) >= $2)
		select exists (
			select from halosync.runs
			where state = 'queued' and dispatched_at is not null and (not_before is null or not_before <= now())
				and (not halosync.is_bulk(kind, args)
					or connection_id not in (select connection_id from running)
					and tenant not in (select tenant from full_tenants)))`, ref.ID, maxRuns).Scan(&waiting)
	return waiting, wrap("waiting runs", err)
}
