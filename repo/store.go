package repo

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo/internal/scoped"
	"github.com/halosync/halosync/repo/schema"
)

// Options are the settings of a [Store].
type Options struct {
	// URL is the address of the database in libpq's form:
	// postgres://user:password@host/name. Session settings in the URL take precedence
	// over those of [Open].
	URL string
	// Keys seal the connections' secrets. Without keys, connections cannot be added and
	// their secrets cannot be read or replaced.
	Keys *secret.Keyset
	// MaxConns is the maximum size of the pool; 0 means pgx's default, the greater
	// of 4 and the number of CPUs.
	MaxConns int
	// Trace, if not nil, is called for each statement.
	Trace Trace
}

// Trace is called with each statement before it is sent. It returns a function that is
// called with the error and its Postgres error code (SQLSTATE) when the statement ends. The
// code is empty if the error does not come from Postgres. The statement has placeholders
// instead of values.
type Trace = scoped.Trace

// Store is a pool of connections to the database. It is safe for concurrent
// use.
type Store struct {
	pool    *scoped.Pool
	keys    *secret.Keyset
	scopeOf func(tenant string) string // nil, except in the test of row level security
	seen    time.Time                  // see IfUnchanged
}

// IfUnchanged returns a copy of the store that does not overwrite newer changes to a
// connection. The argument called seen is the connection's UpdatedAt when the editor read
// it. If UpdatedAt has changed since, changing or removing the connection through the copy
// returns [ErrChanged]. The zero time disables the check. Both stores share the pool.
func (s *Store) IfUnchanged(seen time.Time) *Store {
	conditional := *s
	conditional.seen = seen
	return &conditional
}

// stale reports whether a connection, read under a lock, has changed since the editor
// read it.
func (s *Store) stale(c Connection) bool { return !s.seen.IsZero() && !c.UpdatedAt.Equal(s.seen) }

// Bounds limits the pool connections that the calls of one tenant may use, and the time for
// which they wait for locks. Stores that share bounds share the limits.
type Bounds = scoped.Bounds

// NewBounds returns bounds with a maximum number of connections in use, in total and per
// tenant.
func NewBounds(connections, perTenant int) *Bounds { return scoped.NewBounds(connections, perTenant) }

// Bounded returns a copy of the store whose calls are subject to b. Use it for requests by
// people and programs. A call that cannot get a connection in time returns a
// [*bulkhead.FullError], and a call that cannot get a lock in time returns [ErrLocked].
// Both stores share the pool, so close only the original.
func (s *Store) Bounded(b *Bounds) *Store {
	bounded := *s
	bounded.pool = s.pool.Bounded(b)
	return &bounded
}

// Open creates a Store. It does not connect; [Store.Ready] checks the database.
func Open(ctx context.Context, opts Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, scoped.URLError(err)
	}
	if opts.MaxConns > 0 {
		cfg.MaxConns = int32(min(opts.MaxConns, 10_000))
	}
	return open(ctx, cfg, opts)
}

func open(ctx context.Context, cfg *pgxpool.Config, opts Options) (*Store, error) {
	pool, err := scoped.Open(ctx, cfg, opts.Trace)
	if err != nil {
		return nil, err
	}
	return &Store{pool: pool, keys: opts.Keys}, nil
}

// forTenant returns the pool restricted to the tenant's rows.
func (s *Store) forTenant(tenant string) scoped.Scope {
	if s.scopeOf != nil {
		tenant = s.scopeOf(tenant)
	}
	return s.pool.ForTenant(tenant)
}

// forAllTenants returns the pool with the rows of every tenant, for methods that serve
// the whole installation. The package documentation lists them.
func (s *Store) forAllTenants() scoped.Scope { return s.pool.ForAllTenants() }

// Close closes all connections. It waits for those that are in use.
func (s *Store) Close() { s.pool.Close() }

// Ping returns an error unless the database answers.
func (s *Store) Ping(ctx context.Context) error { return wrap("ping database", s.pool.Ping(ctx)) }

// Ready returns an error unless the database answers and has a schema that this program
// works with: its own version or a compatible later one. For any other schema, the error is
// a [*SchemaError]; for a database whose encoding is not UTF8, it is an [*EncodingError].
func (s *Store) Ready(ctx context.Context) error {
	return schema.Check(ctx, s.pool.ForNoTenant())
}

// Writable is like [Store.Ready], but also returns an error while the database accepts no
// writes. That error is an [ErrUnavailable]: after a failover, the same address may lead to
// a server that accepts them.
func (s *Store) Writable(ctx context.Context) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	var standby, readOnly bool
	err := s.pool.ForNoTenant().QueryRow(ctx, `select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'`).Scan(&standby, &readOnly)
	switch {
	case err != nil:
		return wrap("writable", err)
	case standby:
		return fmt.Errorf("%w: the server is a standby and takes no writes; set DATABASE_URL to the primary", ErrUnavailable)
	case readOnly:
		return fmt.Errorf("%w: it takes no writes, because default_transaction_read_only is on for this server, database or role", ErrUnavailable)
	}
	return nil
}

// EncodingError reports a database whose encoding is not UTF8.
type EncodingError = schema.EncodingError

// SchemaError reports a schema that this program does not work with.
type SchemaError = schema.Error

// Role describes what the programs' database role may do.
type Role = schema.Role

// Role returns what the database role of the Store may do. It needs a schema that
// passes [Store.Ready].
func (s *Store) Role(ctx context.Context) (Role, error) {
	return schema.CheckRole(ctx, s.pool.ForNoTenant())
}

// querier is the common interface of a pool, a connection and a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// lockTenantSQL serialises the transactions that add, map or unmap a tenant's
// companies.
const lockTenantSQL = `select pg_advisory_xact_lock(hashtextextended('halosync tenant ' || $1, 0))`

// inTenantTx runs f in a transaction that holds the tenant's lock.
func (s *Store) inTenantTx(ctx context.Context, tenant string, f func(context.Context, pgx.Tx) error) error {
	return s.forTenant(tenant).InLockedTx(ctx, lockTenantSQL, tenant, f)
}

// newID returns an id that sorts by time of creation. New rows are therefore stored
// together, and a listing by id is a listing by age.
func newID() (uuid.UUID, error) { return uuid.NewV7() }
