package repo

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrNotHeld says that a run cannot be approved: it is not held.
var ErrNotHeld = errors.New("run is not held")

// ApproveRun lets a held run go on, from the start, so that it decides by what
// Halo says now. It may mark as many mappings missing as it wanted to when it
// was held, and takes the connection's Halo for the right one. The connection
// is active again if it needed to be reconnected.
//
// Errors: [ErrNotHeld]; a [*ConflictError] while a run for the same request is
// queued or running; [ErrNotFound].
func (s *Store) ApproveRun(ctx context.Context, tenant string, id uuid.UUID, actor string) (Run, error) {
	err := s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		run, err := queryRun(ctx, tx, `select `+runColumns+` from halosync.runs where tenant = $1 and id = $2`, tenant, id)
		if err != nil {
			return err
		}
		if err := lockConnection(ctx, tx, RunRef{Tenant: tenant, ConnectionID: run.ConnectionID}); err != nil {
			return err
		}
		if run, err = lockRun(ctx, tx, tenant, id); err != nil {
			return err
		}
		if run.State != StateHeld {
			return ErrNotHeld
		}
		return approve(ctx, tx, run, actor)
	})
	if err != nil {
		return Run{}, wrap("approve run", err)
	}
	return s.Run(ctx, tenant, id)
}

func approve(ctx context.Context, tx pgx.Tx, run Run, actor string) error {
	_, err := tx.Exec(ctx, `
		update halosync.runs set state = 'queued', fence = fence + 1, finished_at = null, started_at = null, error = '',
			complete = false, cursor = null, dispatched_at = now(), approved_at = now(), approved_by = $3, approved_missing = missing,
			pages = 0, passes = 0, records = 0, records_total = 0, created = 0, linked = 0, refreshed = 0, unchanged = 0,
			ambiguous = 0, skipped = 0, failed = 0, missing = 0, unverified = 0, removed = 0
		where tenant = $1 and id = $2`, run.Tenant, run.ID, note(actor))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from halosync.run_items where tenant = $1 and run_id = $2`, run.Tenant, run.ID); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update halosync.connections set instance_unsure = false,
			state = case when state = 'needs_reconnect' then 'active' else state end,
			state_reason = case when state = 'needs_reconnect' then '' else state_reason end
		where tenant = $1 and id = $2`, run.Tenant, run.ConnectionID)
	if err != nil {
		return err
	}
	return addEvent(ctx, tx, Event{
		Tenant: run.Tenant, Actor: actor, Action: "run.approved", How: note(run.Error), RunID: &run.ID, ConnectionID: &run.ConnectionID,
	})
}
