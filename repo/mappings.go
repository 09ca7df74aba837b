package repo

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MappingState is the last known state of a mapping's client in Halo.
type MappingState string

// States of a mapping.
const (
	MappingOK         MappingState = "ok"
	MappingInactive   MappingState = "inactive"   // the client is inactive in Halo
	MappingMissing    MappingState = "missing"    // Halo no longer shows the client
	MappingUnverified MappingState = "unverified" // the client could not be read, or there is a [Doubt]
)

// Mapping links a company to the Halo client that is the same customer.
type Mapping struct {
	ID             uuid.UUID
	ConnectionID   uuid.UUID
	Connection     string // name of the connection
	CompanyID      uuid.UUID
	CompanyName    string
	ClientID       int64
	ClientName     string // as Halo last returned it
	ClientInactive bool
	MappedAt       time.Time
	MappedBy       string // "import", "map", "suggest" or "restore"
	State          MappingState
	StateReason    string
	// LastVerifiedAt is when the stored data was last known to match Halo's data. It is
	// the time of the last write or the start of the connection's last complete resync,
	// whichever is later. A resync does not write unchanged mappings.
	LastVerifiedAt *time.Time
	RunID          *uuid.UUID // the run that created it; nil: not created by a run
	DeletedAt      *time.Time // nil: active
	DeletedBy      string
}

// MappingFilter restricts [Store.Mappings]. The zero value of a field means no
// restriction.
type MappingFilter struct {
	ConnectionID *uuid.UUID
	Search       string // only company or client names that contain this text, ignoring case
	State        MappingState
	Troubled     bool      // only mappings that are not "ok"
	Deleted      bool      // unmapped mappings instead of active ones
	NewestFirst  bool      // list the newest first; After then selects older mappings
	After        uuid.UUID // only mappings after this one: the next page
	Limit        int       // 1 to 1,000; 0 means 100
}

// mappingSQL selects mappings as m, with their names. Callers append a WHERE clause on
// m, n and c. The company of a deleted mapping may no longer exist.
const mappingSQL = `
	select m.id, m.connection_id, n.name as connection,
		coalesce(m.company_id, '00000000-0000-0000-0000-000000000000') as company_id, coalesce(c.name, '') as company_name,
		m.client_id, m.client_name, m.client_inactive, m.mapped_at, m.mapped_by, m.state, m.state_reason,
		case when m.state = 'unverified' or m.deleted_at is not null then m.last_verified_at
			else greatest(m.last_verified_at, n.verified_at) end as last_verified_at,
		m.run_id, m.deleted_at, coalesce(m.deleted_by, '') as deleted_by
	from halosync.mappings m
	join halosync.connections n on n.tenant = m.tenant and n.id = m.connection_id
	left join lateral (
		select co.name from halosync.companies co where co.tenant = m.tenant and co.id = m.company_id limit 1) c on true
	`

// Mappings lists the tenant's mappings. The oldest come first unless f says otherwise.
func (s *Store) Mappings(ctx context.Context, tenant string, f MappingFilter) ([]Mapping, error) {
	where, args := f.where(tenant)
	rows, err := s.forTenant(tenant).Query(ctx, mappingSQL+where, args...)
	if err != nil {
		return nil, wrap("mappings", err)
	}
	mappings, err := pgx.CollectRows(rows, pgx.RowToStructByName[Mapping])
	return mappings, wrap("mappings", err)
}

// where returns the end of the statement, with only the conditions that apply. The
// conditions of partial indexes are literals, because Postgres plans the statement once
// for all values and would not use these indexes otherwise.
func (f MappingFilter) where(tenant string) (string, []any) {
	sql, args := "where m.tenant = $1", []any{tenant}
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.ReplaceAll(condition, "?", fmt.Sprintf("$%d", len(args)))
		}
		sql += " and " + condition
	}
	if f.Deleted {
		add("m.deleted_at is not null")
	} else {
		add("m.deleted_at is null")
	}
	if f.ConnectionID != nil {
		add("m.connection_id = ?", *f.ConnectionID)
	}
	if f.Troubled || f.State != "" && f.State != MappingOK {
		add("m.state <> 'ok'")
	}
	if f.State != "" {
		add("m.state = ?", f.State)
	}
	if f.Search != "" {
		add("(position(lower(?) in lower(c.name)) > 0 or position(lower(?) in lower(m.client_name)) > 0)", f.Search)
	}
	order := " order by m.id"
	switch {
	case f.NewestFirst && f.After != uuid.UUID{}:
		add("m.id < ?", f.After)
	case !f.NewestFirst:
		add("m.id > ?", f.After)
	}
	if f.NewestFirst {
		order += " desc"
	}
	return sql + order + fmt.Sprintf(" limit %d", limit(f.Limit)), args
}

// AllMappings returns all mappings that match f. It reads a thousand at a time and
// ignores f.Limit. It holds no connection between reads, so it may miss a mapping that
// is added in the meantime. It stops at the first error, which it yields last.
func (s *Store) AllMappings(ctx context.Context, tenant string, f MappingFilter) iter.Seq2[Mapping, error] {
	return chunks(func(last *Mapping) ([]Mapping, error) {
		f := f
		f.Limit = chunkSize
		if last != nil {
			f.After = last.ID
		}
		return s.Mappings(ctx, tenant, f)
	})
}

// chunkSize is the number of rows that an iterator reads at a time.
const chunkSize = 1000

// chunks yields, one by one, the items that the function next reads in chunks. The function
// next receives the last item that it returned, or nil on the first call. A chunk with
// fewer than chunkSize items is the last one.
func chunks[T any](next func(last *T) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last *T
		for {
			chunk, err := next(last)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range chunk {
				if !yield(item, nil) {
					return
				}
			}
			if len(chunk) < chunkSize {
				return
			}
			last = &chunk[len(chunk)-1]
		}
	}
}

// MappedClient is the client of an active mapping.
type MappedClient struct {
	ClientID   int64
	ClientName string       // as Halo last returned it
	State      MappingState // state of the mapping
}

// MappedClients yields the mapped clients of a connection in ascending order of id. It
// reads a thousand at a time. It stops at the first error, which it yields last.
func (s *Store) MappedClients(ctx context.Context, tenant string, connectionID uuid.UUID) iter.Seq2[MappedClient, error] {
	return chunks(func(last *MappedClient) ([]MappedClient, error) {
		after := int64(0)
		if last != nil {
			after = last.ClientID
		}
		rows, err := s.forTenant(tenant).Query(ctx, `
			select client_id, client_name, state from halosync.mappings
			where tenant = $1 and connection_id = $2 and deleted_at is null and client_id > $3
			order by client_id limit $4`, tenant, connectionID, after, chunkSize)
		if err != nil {
			return nil, wrap("mapped clients", err)
		}
		mapped, err := pgx.CollectRows(rows, pgx.RowToStructByName[MappedClient])
		return mapped, wrap("mapped clients", err)
	})
}

// SampleMapped reads up to n mapped clients that Halo has returned before. The clients
// are spread over the list, and every call returns the same ones.
func (s *Store) SampleMapped(ctx context.Context, tenant string, connectionID uuid.UUID, n int) ([]MappedClient, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `
		select client_id, client_name, state from halosync.mappings
		where tenant = $1 and connection_id = $2 and deleted_at is null and state in ('ok', 'inactive')
		order by hashint8extended(client_id, 0), client_id limit $3`, tenant, connectionID, n)
	if err != nil {
		return nil, wrap("sample of mapped clients", err)
	}
	mapped, err := pgx.CollectRows(rows, pgx.RowToStructByName[MappedClient])
	return mapped, wrap("sample of mapped clients", err)
}
