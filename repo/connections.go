package repo

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// States of a connection.
const (
	Active         ConnectionState = "active"
	Paused         ConnectionState = "paused"          // paused by a person
	NeedsReconnect ConnectionState = "needs_reconnect" // Halo refused its credentials
)

// Connection is a stored set of Halo credentials without the secret.
type Connection struct {
	ID            uuid.UUID
	Tenant        string
	Name          string // unique within the tenant
	Domain        string // URL of the resource server
	AuthServer    string
	HaloTenant    string // hosted Halo only
	ClientID      string // OAuth client id
	HeaderName    string // name of the MSP's own HTTP header, which is sent with every request; empty: no header
	State         ConnectionState
	StateReason   string
	RateLimit     string // empty: the default
	ResyncCron    string // empty: the default
	NextResyncAt  *time.Time
	LastSuccessAt *time.Time // end of the last successful run
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Mappings      int // number of active mappings

	VerifiedAt     *time.Time // start of the last complete resync, which verified all mappings except those in state unverified
	ClientsPages   int        // pages of the last complete listing; 0: unknown
	InstanceUnsure bool       // the address or credentials changed, so this may be a different Halo
	NextResyncSpec string     // the schedule from which NextResyncAt was computed
	MissedResyncs  int        // total number of resyncs missed because no worker was running
}

// connectionColumns are the columns of a connection c that [Connection] has.
const connectionColumns = `
	c.id, c.tenant, c.name, c.domain, c.auth_server, c.halo_tenant, c.client_id, c.header_name, c.state, c.state_reason,
	coalesce(c.rate_limit, '') as rate_limit, coalesce(c.resync_cron, '') as resync_cron,
	c.next_resync_at, c.last_success_at, c.created_at, c.updated_at,
	(select count(*) from halosync.mappings m
	 where m.tenant = c.tenant and m.connection_id = c.id and m.deleted_at is null) as mappings,
	c.verified_at, coalesce(c.clients_pages, 0) as clients_pages, c.instance_unsure, c.next_resync_spec, c.missed_resyncs`

// connectionSQL selects connections as c. Callers append a WHERE clause.
const connectionSQL = `select ` + connectionColumns + ` from halosync.connections c `

func queryConnections(ctx context.Context, q querier, where string, args ...any) ([]Connection, error) {
	rows, err := q.Query(ctx, connectionSQL+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Connection])
}

func queryConnection(ctx context.Context, q querier, where string, args ...any) (Connection, error) {
	found, err := queryConnections(ctx, q, where, args...)
	if err != nil {
		return Connection{}, wrap("connection", err)
	}
	if len(found) == 0 {
		return Connection{}, wrap("connection", ErrNotFound)
	}
	return found[0], nil
}

// Connections lists the tenant's connections by name.
func (s *Store) Connections(ctx context.Context, tenant string) ([]Connection, error) {
	list, err := queryConnections(ctx, s.forTenant(tenant), `where c.tenant = $1 order by c.name`, tenant)
	return list, wrap("connections", err)
}

// ConnectionName is the short form of a connection, for selection lists.
type ConnectionName struct {
	ID    uuid.UUID
	Name  string
	State ConnectionState
}

// ConnectionNames lists the tenant's connections by name. Unlike [Store.Connections],
// it does not count their mappings, so it stays fast however many there are.
func (s *Store) ConnectionNames(ctx context.Context, tenant string) ([]ConnectionName, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `select id, name, state from halosync.connections where tenant = $1 order by name`, tenant)
	if err != nil {
		return nil, wrap("names of connections", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowToStructByName[ConnectionName])
	return names, wrap("names of connections", err)
}

// Connection reads one connection. It returns [ErrNotFound] if the tenant has no
// connection with this id.
func (s *Store) Connection(ctx context.Context, tenant string, id uuid.UUID) (Connection, error) {
	return queryConnection(ctx, s.forTenant(tenant), `where c.tenant = $1 and c.id = $2`, tenant, id)
}

// FindConnection reads a connection by its name or id. The id may have any form that
// [uuid.Parse] accepts. If both match, the id wins.
func (s *Store) FindConnection(ctx context.Context, tenant, nameOrID string) (Connection, error) {
	if unstorable(nameOrID, 1, 200) != "" {
		return Connection{}, wrap("connection", ErrNotFound)
	}
	var id *uuid.UUID
	if parsed, err := uuid.Parse(nameOrID); err == nil {
		id = &parsed
	}
	return queryConnection(ctx, s.forTenant(tenant),
		`where c.tenant = $1 and (c.name = $2 or c.id = $3) order by (c.id = $3) is true desc limit 1`, tenant, nameOrID, id)
}
