package repo

import (
	"context"

	"github.com/google/uuid"
)

// ClaimUndispatched takes up to limit runs, of all tenants, that should be put
// into the queue: queued ones that were never put there, or two minutes ago
// and still wait, and running ones after ten minutes. Others that do the same
// at the same moment take other runs.
func (s *Store) ClaimUndispatched(ctx context.Context, limit int) ([]Run, error) {
	runs, err := queryRuns(ctx, s.pool, `
		update halosync.runs set dispatched_at = now()
		where id in (
			select id from halosync.runs
			where state = 'queued' and (dispatched_at is null or dispatched_at < now() - interval '2 minutes')
					and (not_before is null or not_before < now() - interval '1 minute')
				or state = 'running' and (dispatched_at is null or dispatched_at < now() - interval '10 minutes')
			order by dispatched_at nulls first limit $1
			for no key update skip locked)
		returning `+runColumns, limit)
	return runs, wrap("undispatched runs", err)
}

// Undispatch notes that runs, of any tenants, did not get into the queue.
func (s *Store) Undispatch(ctx context.Context, runs []Run) error {
	ids := make([]uuid.UUID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	_, err := s.pool.Exec(ctx, `update halosync.runs set dispatched_at = null where id = any($1) and state = 'queued'`, ids)
	return wrap("undispatch runs", err)
}
