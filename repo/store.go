package repo

import (
	"context"
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
	// URL of the database, as libpq writes it: postgres://user:password@host/name.
	// Settings of the session in it take precedence over those of [Open].
	URL string
	// Keys seal the connections' secrets. Without them, connections cannot be added
	// and their secrets cannot be read or replaced.
	Keys *secret.Keyset
	// MaxConns is the maximum size of the pool; 0 means pgx's default, the greater
	// of 4 and the number of CPUs.
	MaxConns int
	// Trace is called for each statement. Nil costs nothing.
	Trace Trace
}

// Trace is called with each statement before it is sent. The function that it
// returns is called when the statement ends, with Postgres' class of error
// (SQLSTATE), if there is one, and the error. The text has placeholders for values.
type Trace = scoped.Trace

// Store is a pool of connections to the database. It is safe for concurrent
// use.
type Store struct {
	pool    *scoped.Pool
	keys    *secret.Keyset
	scopeOf func(tenant string) string // nil, but in the test of row level security
	seen    time.Time                  // see IfUnchanged
}

// IfUnchanged returns a store for an editor who has seen a connection with this
// UpdatedAt: changing or removing it returns [ErrChanged] if it was changed since.
// The zero time accepts any. The pool is shared.
func (s *Store) IfUnchanged(seen time.Time) *Store {
	conditional := *s
	conditional.seen = seen
	return &conditional
}

// stale reports whether a connection, read under a lock, differs from the one that
// the editor saw.
func (s *Store) stale(c Connection) bool { return !s.seen.IsZero() && !c.UpdatedAt.Equal(s.seen) }

// Open creates a Store. It does not connect yet: [Store.Ready] checks the database.
func Open(ctx context.Context, opts Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, scoped.ErrURL
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

// forAllTenants returns the pool with the rows of every tenant, for what serves the
// whole installation. The package's documentation lists the methods that use it.
func (s *Store) forAllTenants() scoped.Scope { return s.pool.ForAllTenants() }

// Close ends all connections. It waits for those that are in use.
func (s *Store) Close() { s.pool.Close() }

// Ping returns an error unless the database answers.
func (s *Store) Ping(ctx context.Context) error { return wrap("ping database", s.pool.Ping(ctx)) }

// Ready returns an error unless the database answers and has the schema that this
// program was written for, or a later one that it works with. For any other schema
// the error is a [*SchemaError].
func (s *Store) Ready(ctx context.Context) error {
	return schema.Check(ctx, s.pool.ForNoTenant())
}

// SchemaError reports a schema that this program does not work with.
type SchemaError = schema.Error

// Role is what the role of the programs may do.
type Role = schema.Role

// Role returns what the role of the Store may do. It needs a schema that is
// [Store.Ready].
func (s *Store) Role(ctx context.Context) (Role, error) {
	return schema.CheckRole(ctx, s.pool.ForNoTenant())
}

// querier is what a pool, a connection and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// lockTenantSQL serialises the transactions that add, map or unmap companies of a
// tenant.
const lockTenantSQL = `select pg_advisory_xact_lock(hashtextextended('halosync tenant ' || $1, 0))`

func lockTenant(ctx context.Context, tx pgx.Tx, tenant string) error {
	_, err := tx.Exec(ctx, lockTenantSQL, tenant)
	return err
}

// newID returns ids that sort by time, so that new rows are stored together and
// listings by id are listings by age.
func newID() (uuid.UUID, error) { return uuid.NewV7() }
