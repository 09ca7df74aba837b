package repo

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Event is one change: who made it, when and how, with the state before and after.
// Events are never changed, and are deleted only when they are old
// ([Store.ForgetEvents]); the database refuses any other change.
type Event struct {
	ID           int64 // increases with time within the tenant
	Tenant       string
	At           time.Time
	Actor        string
	Action       string // e.g. "mapping.created", "connection.removed"
	How          string // free text, may be empty
	RunID        *uuid.UUID
	ConnectionID *uuid.UUID
	MappingID    *uuid.UUID
	CompanyID    *uuid.UUID
	ClientID     *int64
	Before       json.RawMessage // nil: it did not exist before
	After        json.RawMessage // nil: it no longer exists
	WrittenBy    *string         // the role in Postgres that wrote the event; nil: the event is older than the column
}

// EventFilter restricts [Store.Events]. The zero value of a field means no restriction.
type EventFilter struct {
	MappingID *uuid.UUID
	RunID     *uuid.UUID
	Since     time.Time
	Before    int64 // only events with a smaller id: the next page
	Limit     int   // 1 to 1,000; 0 means 100
}

const eventColumns = `id, tenant, at, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, before, after, written_by`

// Events lists the tenant's events, newest first.
func (s *Store) Events(ctx context.Context, tenant string, f EventFilter) ([]Event, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `
		select `+eventColumns+` from halosync.events
		where tenant = $1 and ($2::uuid is null or mapping_id = $2) and ($3::uuid is null or run_id = $3)
			and ($4::timestamptz is null or at >= $4) and ($5::bigint = 0 or id < $5)
		order by id desc limit $6`,
		tenant, f.MappingID, f.RunID, orNull(f.Since), f.Before, limit(f.Limit))
	if err != nil {
		return nil, wrap("events", err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByName[Event])
	return events, wrap("events", err)
}

// AllEvents returns all events that match f, newest first. It reads a thousand at a
// time, like [Store.AllMappings], and ignores f.Limit.
func (s *Store) AllEvents(ctx context.Context, tenant string, f EventFilter) iter.Seq2[Event, error] {
	return chunks(func(last *Event) ([]Event, error) {
		f := f
		f.Limit = chunkSize
		if last != nil {
			f.Before = last.ID
		}
		return s.Events(ctx, tenant, f)
	})
}

// addEvent writes an event; the database sets its id, its time and WrittenBy.
func addEvent(ctx context.Context, tx pgx.Tx, e Event) error {
	_, err := tx.Exec(ctx, `
		insert into halosync.events (tenant, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, before, after)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		e.Tenant, note(e.Actor), e.Action, note(e.How), e.RunID, e.ConnectionID, e.MappingID, e.CompanyID, e.ClientID, e.Before, e.After)
	return err
}

// orNull returns nil for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// limit returns the number of rows that a listing returns: 1 to 1,000, 100 by default.
func limit(wanted int) int {
	const standard, maxRows = 100, 1000
	if wanted <= 0 {
		return standard
	}
	return min(wanted, maxRows)
}
