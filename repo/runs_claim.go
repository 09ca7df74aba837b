package repo

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// RunRef is the right to write to a run. It expires when the run is claimed again,
// because its Fence is then outdated.
type RunRef struct {
	ID           uuid.UUID
	Tenant       string
	ConnectionID uuid.UUID
	Fence        int64
}

// Claim is a run that this execution may write to.
type Claim struct {
	Run    Run // if CancelRequestedAt is set, the caller should only end the run
	Ref    RunRef
	Cursor json.RawMessage // checkpoint of the last batch; nil at the start
}

// ClaimRun marks the run as running and makes the caller the only execution that may
// write to it. If the run was queued only through Redis, ClaimRun inserts it first.
//
// ClaimRun returns one of these errors if the run cannot be claimed:
//
//   - [ErrEnded] if the run has ended. The Claim contains the run.
//   - A [*BusyError] if another bulk run is running on the connection, or the tenant's
//     maximum number of bulk runs is running. The Claim contains the run.
//   - A [*BusyError] if another live run has the same request.
//   - [ErrNotFound] if the tenant has no such connection, or the id belongs to another
//     tenant's run.
func (s *Store) ClaimRun(ctx context.Context, n NewRun) (Claim, error) {
	if err := n.check(); err != nil {
		return Claim{}, wrap("claim run", err)
	}
	var claim Claim
	var busy *BusyError
	err := s.forTenant(n.Tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		run, err := lockForClaim(ctx, tx, n)
		if err != nil {
			return err
		}
		if claim.Run = run; run.Ended() {
			return nil
		}
		err = checkFree(ctx, tx, run, n.TenantRuns)
		if errors.As(err, &busy) {
			return wait(ctx, tx, run, busy) // commits, so that the row is kept
		}
		if err != nil {
			return err
		}
		return start(ctx, tx, &claim, n.Died)
	})
	switch {
	case err != nil:
		return Claim{}, wrap("claim run", err)
	case busy != nil:
		return claim, wrap("claim run", busy)
	case claim.Run.Ended():
		return claim, wrap("claim run", ErrEnded)
	}
	return claim, nil
}

// wait records why the run is waiting, and that its task exists: this execution is running
// the task. If the queue has lost all tasks since then, dispatched_at is null and stays
// null.
func wait(ctx context.Context, tx pgx.Tx, run Run, busy *BusyError) error {
	_, err := tx.Exec(ctx, `
		update halosync.runs set wait_reason = $3, dispatched_at = case when dispatched_at is not null then now() end
		where tenant = $1 and id = $2`, run.Tenant, run.ID, busy.Error())
	return err
}

// lockForClaim locks the claims of the tenant's bulk runs, the connection and the run.
// The lock on the connection permits only one claim on it at a time. If the run does
// not exist, because it was queued only through Redis, lockForClaim inserts it. It
// takes one round trip. Callers should add only a few round trips, because other
// claims of the tenant wait for the locks.
func lockForClaim(ctx context.Context, tx pgx.Tx, n NewRun) (run Run, err error) {
	b := &pgx.Batch{}
	queueTenantRunsLock(b, n)
	b.Queue(lockConnectionSQL, n.Tenant, n.ConnectionID).
		QueryRow(func(row pgx.Row) error {
			var one int
			return row.Scan(&one)
		})
	found := false
	b.Queue(claimedSQL, n.Tenant, n.ID, n.ConnectionID, n.Kind).Query(func(rows pgx.Rows) error {
		runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Run])
		if err == nil && len(runs) > 0 {
			run, found = runs[0], true
		}
		return err
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil || found {
		return run, err
	}
	if _, err := tx.Exec(ctx, insertRunSQL, n.values()...); err != nil {
		return Run{}, err
	}
	run, err = queryRun(ctx, tx, claimedSQL, n.Tenant, n.ID, n.ConnectionID, n.Kind)
	if errors.Is(err, pgx.ErrNoRows) {
		return Run{}, sameRequest(ctx, tx, n)
	}
	return run, err
}

const claimedSQL = `
	select ` + runColumns + ` from halosync.runs
	where tenant = $1 and id = $2 and connection_id = $3 and kind = $4 for update`

// sameRequest returns the reason why a run could neither be inserted nor found.
func sameRequest(ctx context.Context, tx pgx.Tx, n NewRun) error {
	var other uuid.UUID
	err := tx.QueryRow(ctx, `
		select id from halosync.runs
		where tenant = $1 and connection_id = $2 and kind = $3 and request_key = $4 and state in ('queued', 'running')`,
		n.Tenant, n.ConnectionID, n.Kind, n.RequestKey).Scan(&other)
	if err != nil {
		return err // no row: another run has the id
	}
	return &BusyError{RunID: other}
}

// start marks the claimed run as running and increases its fence. The result called died
// reports whether the previous execution ended with a worker crash.
func start(ctx context.Context, tx pgx.Tx, claim *Claim, died bool) (err error) {
	ref := RunRef{ID: claim.Run.ID, Tenant: claim.Run.Tenant, ConnectionID: claim.Run.ConnectionID}
	rows, err := tx.Query(ctx, `
		update halosync.runs set state = 'running', fence = fence + 1, attempt = attempt + 1,
			started_at = coalesce(started_at, now()), wait_reason = '', not_before = null, beat_at = now(),
			deaths = case when state <> 'running' then 0 when $3 then deaths + 1 else deaths end
		where tenant = $1 and id = $2
		returning fence, cursor, `+runColumns, ref.Tenant, ref.ID, died)
	if err != nil {
		return err
	}
	started, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[struct {
		Run
		Fence  int64
		Cursor json.RawMessage
	}])
	ref.Fence = started.Fence
	claim.Run, claim.Ref, claim.Cursor = started.Run, ref, started.Cursor
	return err
}

// ReleaseRun returns a run to the queue with its checkpoint, for a later execution. If
// cancellation was requested, the run ends as cancelled instead. ReleaseRun returns
// [ErrFenced] if another execution owns the run.
func (s *Store) ReleaseRun(ctx context.Context, ref RunRef, reason string, notBefore time.Time) error {
	err := s.forTenant(ref.Tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var cancelled bool
		err := tx.QueryRow(ctx, `
			update halosync.runs set state = 'queued', wait_reason = $4, not_before = $5
			where tenant = $1 and id = $2 and fence = $3 and state = 'running'
			returning cancel_requested_at is not null`,
			ref.Tenant, ref.ID, ref.Fence, note(reason), orNull(notBefore)).Scan(&cancelled)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrFenced
		}
		if err != nil || !cancelled {
			return err
		}
		return end(ctx, tx, ref.Tenant, ref.ID, StateCancelled, "cancelled")
	})
	return wrap("release run", err)
}

// SeenPage holds the client ids of one batch of a run.
type SeenPage struct {
	Pass, Page int
	ClientIDs  []int64
}

// SeenPages reads the client ids of the run's batches, ordered by pass and page. It
// reads a few hundred batches at a time. It stops at the first error, which it yields
// last.
func (s *Store) SeenPages(ctx context.Context, ref RunRef) iter.Seq2[SeenPage, error] {
	return func(yield func(SeenPage, error) bool) {
		const chunk = 200
		pass, page := -1, -1
		for {
			rows, err := s.forTenant(ref.Tenant).Query(ctx, `
				select pass, page, client_ids from halosync.run_pages
				where tenant = $1 and run_id = $2 and (pass, page) > ($3, $4)
				order by pass, page limit $5`, ref.Tenant, ref.ID, pass, page, chunk)
			if err != nil {
				yield(SeenPage{}, wrap("seen pages", err))
				return
			}
			seen, err := pgx.CollectRows(rows, pgx.RowToStructByName[SeenPage])
			if err != nil {
				yield(SeenPage{}, wrap("seen pages", err))
				return
			}
			for _, p := range seen {
				if !yield(p, nil) {
					return
				}
				pass, page = p.Pass, p.Page
			}
			if len(seen) < chunk {
				return
			}
		}
	}
}

// Beat writes the heartbeat of a run's execution. It returns [ErrFenced] if another
// execution owns the run.
func (s *Store) Beat(ctx context.Context, ref RunRef) error {
	tag, err := s.forTenant(ref.Tenant).Exec(ctx, `
		update halosync.runs set beat_at = now()
		where tenant = $1 and id = $2 and fence = $3 and state = 'running'`, ref.Tenant, ref.ID, ref.Fence)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrFenced
	}
	return wrap("heartbeat", err)
}
