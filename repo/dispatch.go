package repo

import (
	"context"

	"github.com/google/uuid"
)

// undispatchedSQL has two subqueries: one for runs that were never dispatched, one for
// runs that were dispatched over a minute ago. With a single condition, each tick would
// read every run that is waiting in the queue, which takes a tenth of a second for 100,000
// runs.
const undispatchedSQL = `
	with never as materialized (
		select id from halosync.runs
		where dispatched_at is null ` + dispatchable + `
		order by dispatched_at nulls first limit $1
		for no key update skip locked),
	lost as materialized (
		select id from halosync.runs
		where dispatched_at < now() - interval '1 minute' ` + dispatchable + `
		order by dispatched_at nulls first limit $1 - (select count(*) from never)
		for no key update skip locked)
	update halosync.runs set dispatched_at = now()
	where id in (select id from never union all select id from lost)
	returning ` + runColumns

const dispatchable = `
	and (state = 'queued' and (not_before is null or not_before <= now())
		or state = 'running' and (beat_at is null or beat_at < now() - interval '1 minute'))`

// ClaimUndispatched returns up to limit runs, of all tenants, that should be put into
// the queue. These are queued runs that were never dispatched, queued runs that were
// dispatched over a minute ago and should have started, and running runs that have had no
// heartbeat for a minute. Concurrent calls get different runs.
func (s *Store) ClaimUndispatched(ctx context.Context, limit int) ([]Run, error) {
	runs, err := queryRuns(ctx, s.forAllTenants(), undispatchedSQL, limit)
	return runs, wrap("undispatched runs", err)
}

// Undispatch records that runs, of any tenant, did not reach the queue.
func (s *Store) Undispatch(ctx context.Context, runs []Run) error {
	ids := make([]uuid.UUID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	_, err := s.forAllTenants().Exec(ctx, `update halosync.runs set dispatched_at = null where id = any($1) and state in ('queued', 'running')`, ids)
	return wrap("undispatch runs", err)
}

// UndispatchAll records that the queue has lost its tasks. Every unfinished run, of all
// tenants, will be put into the queue again.
func (s *Store) UndispatchAll(ctx context.Context) error {
	_, err := s.forAllTenants().Exec(ctx, `
		update halosync.runs set dispatched_at = null where state in ('queued', 'running') and dispatched_at is not null`)
	return wrap("undispatch all runs", err)
}

// SetRequestKey gives a run that was requested in SQL the key that Go code computes for an
// equal request. If a live run already has that key, nothing changes.
func (s *Store) SetRequestKey(ctx context.Context, tenant string, id uuid.UUID, key string) error {
	if err := checkText("request key", key, 1, 200); err != nil {
		return wrap("request key", err)
	}
	tag, err := s.forTenant(tenant).Exec(ctx, `
		update halosync.runs r set request_key = $3
		where tenant = $1 and id = $2 and not exists (
			select from halosync.runs o where o.tenant = r.tenant and o.connection_id = r.connection_id and o.kind = r.kind
				and o.request_key = $3 and o.state in ('queued', 'running') and o.id <> r.id)`, tenant, id, key)
	if err == nil && tag.RowsAffected() == 0 {
		_, err = s.Run(ctx, tenant, id)
		return err
	}
	return wrap("request key", err)
}
