package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Removal counts what goes with a connection. Companies and events stay.
type Removal struct {
	Mappings int // active ones
	Unmapped int // mappings that were deleted before
	Clients  int // entries of the catalogue
	Runs     int // of all states
	Active   int // runs that are queued or running; they are lost
}

// PreviewRemoval says what [Store.RemoveConnection] would remove.
func (s *Store) PreviewRemoval(ctx context.Context, tenant string, id uuid.UUID) (Removal, error) {
	r, err := previewRemoval(ctx, s.forTenant(tenant), tenant, id)
	return r, wrap("preview of removal", err)
}

func previewRemoval(ctx context.Context, q querier, tenant string, id uuid.UUID) (Removal, error) {
	rows, err := q.Query(ctx, `
		select m.mappings, m.unmapped, cl.clients, r.runs, r.active
		from halosync.connections c
		cross join lateral (
			select count(*) filter (where deleted_at is null) as mappings, count(deleted_at) as unmapped
			from halosync.mappings where tenant = c.tenant and connection_id = c.id) m
		cross join lateral (
			select count(*) as clients from halosync.clients where tenant = c.tenant and connection_id = c.id) cl
		cross join lateral (
			select count(*) as runs, count(*) filter (where state in ('queued', 'running')) as active
			from halosync.runs where tenant = c.tenant and connection_id = c.id) r
		where c.tenant = $1 and c.id = $2`, tenant, id)
	if err != nil {
		return Removal{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Removal])
}

// RemoveConnection removes a connection with its mappings, catalogue and
// runs. A run that is executing finds itself fenced off at its next page.
func (s *Store) RemoveConnection(ctx context.Context, tenant, actor string, id uuid.UUID) error {
	err := s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockTenant(ctx, tx, tenant); err != nil {
			return err
		}
		conn, err := queryConnection(ctx, tx, `where c.tenant = $1 and c.id = $2 for update of c`, tenant, id)
		if err != nil {
			return err
		}
		if s.stale(conn) {
			return ErrChanged
		}
		if _, err := tx.Exec(ctx, `delete from halosync.connections where tenant = $1 and id = $2`, tenant, id); err != nil {
			return err
		}
		return addEvent(ctx, tx, Event{
			Tenant: tenant, Actor: actor, Action: "connection.removed", ConnectionID: &id, Before: conn.facts(),
		})
	})
	return wrap("remove connection", err)
}
