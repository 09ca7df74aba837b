package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// lockTenantRunsSQL makes claims of a tenant's bulk runs come one after the
// other. It is another lock than lockTenantSQL, so that they need not wait for
// pages that are being written.
const lockTenantRunsSQL = `select pg_advisory_xact_lock(hashtextextended('halosync runs of tenant ' || $1, 0))`

func queueTenantRunsLock(b *pgx.Batch, n NewRun) {
	if n.TenantRuns != 0 && (n.Kind == KindImport || n.Kind == KindResync) {
		b.Queue(lockTenantRunsSQL, n.Tenant)
	}
}

// checkFree says whether a bulk run may be running now: not beside another one
// on the connection, nor beside as many of the tenant as may be (0: any number).
func checkFree(ctx context.Context, tx pgx.Tx, run Run, most int) error {
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
	case most == 0 || running < most:
		return nil
	}
	lost, err := fenceOffLost(ctx, tx, run)
	if err != nil || running-lost < most {
		return err
	}
	return &BusyError{Running: running - lost}
}

// fenceOffLost counts the other bulk runs of the tenant whose execution has
// given no sign of life for a minute, and takes from that execution the right
// to write, should it be frozen rather than dead: so it is certain that they
// are not running. They are claimed anew like any other. One that writes at
// this very moment is alive.
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

// maxNext bounds how many runs are told that it is their turn.
const maxNext = 20

// NextRuns says which of the tenant's bulk runs that were refused ([*BusyError])
// may go on now that ref's does not run any more: as many as there is room for
// beside most (0: any number), at most 20, none on a connection that is
// occupied. Those that have not run for the longest time come first, so that
// many runs take turns.
func (s *Store) NextRuns(ctx context.Context, ref RunRef, most int) ([]uuid.UUID, error) {
	rows, err := s.forTenant(ref.Tenant).Query(ctx, `
		with running as (
			select connection_id from halosync.runs where tenant = $1 and state = 'running' and halosync.is_bulk(kind, args))
		select id from halosync.runs
		where tenant = $1 and state = 'queued' and halosync.is_bulk(kind, args) and id <> $2
			and wait_reason <> '' and (not_before is null or not_before <= now())
			and connection_id not in (select connection_id from running)
		order by beat_at nulls first, queued_at
		limit least($4, case when $3 = 0 then $4 else greatest($3 - (select count(*) from running), 0) end)`,
		ref.Tenant, ref.ID, most, maxNext)
	if err != nil {
		return nil, wrap("next runs", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return ids, wrap("next runs", err)
}

// OthersWait says whether any run, of any tenant, could go on if ref's stood
// aside: one that is in the queue, whose time has come, and that neither its
// connection nor its tenant's limit (most; 0: none) holds up but for ref's.
func (s *Store) OthersWait(ctx context.Context, ref RunRef, most int) (bool, error) {
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
					and tenant not in (select tenant from full_tenants)))`, ref.ID, most).Scan(&waiting)
	return waiting, wrap("whose turn", err)
}
