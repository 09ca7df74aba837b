package repo

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo/internal/scoped"
	"github.com/halosync/halosync/repo/schema"
)

// Fleet holds figures about the whole installation, for monitoring. One worker computes
// them and stores them as JSON, so that the other workers can read them.
type Fleet struct {
	Mappings    map[string]int            `json:"mappings"`    // active mappings by state
	Connections map[string]int            `json:"connections"` // by state
	Unfinished  map[string]map[string]int `json:"unfinished"`  // runs, by kind and state
	// OldestUnverified is the age of the oldest unverified mapping in seconds, or 0 if
	// no mapping is unverified.
	OldestUnverified float64 `json:"oldest_unverified"`
	// Undispatched is the longest time, in seconds, that a due run has had no task in
	// the queue. It is 0 if every due run has a task.
	Undispatched float64 `json:"undispatched"`
}

const (
	// countMappingsSQL reads the whole table. An index would make counting cheaper, but
	// every import would have to update it.
	countMappingsSQL = `
		select state, count(*), coalesce(extract(epoch from now() - min(case when state = 'unverified' then coalesce(last_verified_at, mapped_at) end)), 0)::float8
		from halosync.mappings where deleted_at is null group by state`

	countConnectionsSQL = `select state, count(*) from halosync.connections group by state`

	countRunsSQL = `
		select kind, state, count(*), coalesce(extract(epoch from now() - min(greatest(queued_at, not_before))
			filter (where state = 'queued' and dispatched_at is null and (not_before is null or not_before <= now()))), 0)::float8
		from halosync.runs where state in ('queued', 'running') group by kind, state`
)

// countTimeout limits the time for counting, which reads a whole table.
const countTimeout = 10 * time.Minute

// CountFleet counts rows of all tenants. Its cost grows with the number of mappings, so
// call it rarely.
func (s *Store) CountFleet(caller context.Context) (Fleet, error) {
	ctx, cancel := context.WithTimeout(caller, countTimeout)
	defer cancel()
	f := Fleet{Mappings: map[string]int{}, Connections: map[string]int{}, Unfinished: map[string]map[string]int{}}
	err := s.forAllTenants().InLongTx(ctx, " read only", func(tx pgx.Tx) error {
		var kind, state string
		var n int
		var seconds float64
		rows, err := tx.Query(ctx, countMappingsSQL)
		if err != nil {
			return err
		}
		err = each(rows, func() { f.Mappings[state] = n; f.OldestUnverified = max(f.OldestUnverified, seconds) }, &state, &n, &seconds)
		if err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, countConnectionsSQL); err != nil {
			return err
		}
		if err = each(rows, func() { f.Connections[state] = n }, &state, &n); err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, countRunsSQL); err != nil {
			return err
		}
		return each(rows, func() {
			if f.Unfinished[kind] == nil {
				f.Unfinished[kind] = map[string]int{}
			}
			f.Unfinished[kind][state] = n
			f.Undispatched = max(f.Undispatched, seconds)
		}, &kind, &state, &n, &seconds)
	})
	return f, wrap("count", scoped.AsUnavailable(caller, err))
}

// Pool describes the use of the connections to Postgres.
type Pool struct {
	Used, Idle, Max int
	Waits           int64         // number of waits for a connection since the start
	Waited          time.Duration // total time of these waits
}

// PoolStat returns the current use of the pool.
func (s *Store) PoolStat() Pool {
	stat := s.pool.Stat()
	return Pool{
		Used: int(stat.AcquiredConns()), Idle: int(stat.IdleConns()), Max: int(stat.MaxConns()),
		Waits: stat.EmptyAcquireCount(), Waited: stat.EmptyAcquireWaitTime(),
	}
}

// ConnectionRef identifies a connection of any tenant, for monitoring.
type ConnectionRef struct {
	ID     uuid.UUID
	Tenant string
	Name   string
	State  ConnectionState
}

// ConnectionsAfter lists up to limit connections of all tenants whose id is greater than
// the argument after, ordered by id.
func (s *Store) ConnectionsAfter(ctx context.Context, after uuid.UUID, limit int) ([]ConnectionRef, error) {
	rows, err := s.forAllTenants().Query(ctx, `select id, tenant, name, state from halosync.connections where id > $1 order by id limit $2`, after, limit)
	if err != nil {
		return nil, wrap("connections", err)
	}
	refs, err := pgx.CollectRows(rows, pgx.RowToStructByName[ConnectionRef])
	return refs, wrap("connections", err)
}

// Server describes the database server.
type Server struct {
	Version  string // e.g. "15.18"
	Number   int    // e.g. 150018
	Now      time.Time
	Schema   int64 // version of the applied schema
	Wanted   int64 // version that this program needs
	ReadOnly bool  // a standby, or configured as read-only
	InUse    int   // connections of all programs
	Max      int   // maximum number of connections
}

// Server reads the description of the database server. The database need not contain
// the schema.
func (s *Store) Server(ctx context.Context) (Server, error) {
	v := Server{Wanted: schema.Version()}
	var readOnly, number string
	err := s.pool.ForNoTenant().QueryRow(ctx, `
		select current_setting('server_version'), current_setting('server_version_num'), clock_timestamp(),
			current_setting('transaction_read_only'), (select count(*) from pg_stat_activity where backend_type = 'client backend'),
			current_setting('max_connections')::integer`).Scan(&v.Version, &number, &v.Now, &readOnly, &v.InUse, &v.Max)
	if err != nil {
		return v, wrap("server", err)
	}
	if _, err := fmt.Sscan(number, &v.Number); err != nil {
		return v, wrap("server", err)
	}
	v.ReadOnly = readOnly == "on"
	v.Schema, err = schema.Applied(ctx, s.pool.ForNoTenant())
	return v, wrap("server", err)
}
