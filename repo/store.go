package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/internal/secret"
)

// Options says how to reach the database.
type Options struct {
	// URL of the database, as libpq writes it: postgres://user:password@host/name.
	// Settings of the session in it take precedence over those of [Open].
	URL string
	// Keys seal the connections' secrets. Without them everything works but
	// adding connections and reading or replacing their secrets.
	Keys *secret.Keyset
	// MaxConns is the size of the pool; 0 means pgx's default, the greater of
	// 4 and the number of CPUs.
	MaxConns int
	// Trace is told of every statement. Nil costs nothing.
	Trace Trace
}

// Store is a pool of connections to the database. It is safe for concurrent
// use.
type Store struct {
	pool    patient
	keys    *secret.Keyset
	scopeOf func(tenant string) scope // ofTenant, but for the test of the wall alone
	seen    time.Time                 // see IfUnchanged
}

// IfUnchanged is the store for an editor who has seen a connection as it was
// at a time, its UpdatedAt: changing or removing it gives [ErrChanged] if
// somebody has changed it since. The zero time asks for nothing. The pool is
// shared.
func (s *Store) IfUnchanged(seen time.Time) *Store {
	conditional := *s
	conditional.seen = seen
	return &conditional
}

// stale says whether a connection, read under a lock, is another one than the
// editor saw.
func (s *Store) stale(c Connection) bool { return !s.seen.IsZero() && !c.UpdatedAt.Equal(s.seen) }

// idleInTransaction ends the session of a process that was stopped (SIGSTOP,
// a frozen virtual machine) in the middle of a transaction, so that its locks
// do not hold up the worker that takes over.
const idleInTransaction = 30 * time.Second

// Open makes a Store. It does not connect yet: [Store.Ready] says whether the
// database can be used.
func Open(ctx context.Context, opts Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, errURL
	}
	if opts.MaxConns > 0 {
		cfg.MaxConns = int32(min(opts.MaxConns, 10_000))
	}
	if opts.Trace != nil {
		cfg.ConnConfig.Tracer = tracer{opts.Trace}
	}
	return open(ctx, cfg, opts.Keys)
}

// errURL replaces the parser's error, which may quote a part of the password
// (one that holds an unescaped "/" passes for a host and a bad port).
var errURL = errors.New("database URL: malformed; special characters in its password must be percent-encoded")

func open(ctx context.Context, cfg *pgxpool.Config, keys *secret.Keyset) (*Store, error) {
	params := cfg.ConnConfig.RuntimeParams
	setDefault(params, "application_name", "halosync")
	if pooled(cfg.ConnConfig) {
		return openPool(ctx, cfg, keys)
	}
	params[tenantSetting] = nobody // whoever forgets to name one sees nothing
	// Descriptions of statements are kept, plans are not: one that was made
	// while the tables were empty made pages ten times slower, and planning anew
	// costs about a millisecond a page. Not by plan_cache_mode: that setting
	// reaches into the foreign keys' own checks, which then were planned for
	// each row, and took a quarter of an import's time.
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	setDefault(params, "idle_in_transaction_session_timeout", fmt.Sprint(idleInTransaction.Milliseconds()))
	return openPool(ctx, cfg, keys)
}

// pooled says whether the URL is made for a pooler that lends connections out
// for one transaction: it asks for a way of executing that keeps nothing in the
// session. Such a pooler refuses settings of the session at the start, and
// without prepared statements there are no plans to keep.
func pooled(cfg *pgx.ConnConfig) bool {
	return cfg.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement
}

func openPool(ctx context.Context, cfg *pgxpool.Config, keys *secret.Keyset) (*Store, error) {
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return &Store{pool: patient{pool, patience}, keys: keys, scopeOf: ofTenant}, nil
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

// Close ends all connections. It waits for those that are in use.
func (s *Store) Close() { s.pool.pool.Close() }

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return wrap("ping database", s.pool.pool.Ping(ctx))
}

// Ready says whether the database answers and has the schema that this
// program was written for, or a later one that it understands. If it has
// another, the error is a [*SchemaError].
func (s *Store) Ready(ctx context.Context) error {
	state, err := readState(ctx, s.as(nobody))
	if err != nil {
		return wrap("schema version", err)
	}
	return state.check(latest(), baseline)
}

// querier is what a pool, a connection and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// lockTenantSQL makes whoever adds companies or mappings of a tenant wait for
// whoever does so already, until the end of its transaction.
const lockTenantSQL = `select pg_advisory_xact_lock(hashtextextended('halosync tenant ' || $1, 0))`

func lockTenant(ctx context.Context, tx pgx.Tx, tenant string) error {
	_, err := tx.Exec(ctx, lockTenantSQL, tenant)
	return err
}

// newID makes ids that sort by time, so that new rows lie together and
// listings by id are listings by age.
func newID() (uuid.UUID, error) { return uuid.NewV7() }
