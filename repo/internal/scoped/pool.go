// Package scoped is a pool of Postgres connections on which each statement runs in
// the scope of one tenant and within a limit of time.
//
// The scope is held by row level security: whatever a statement's WHERE says,
// Postgres shows a role that does not own the tables only the rows of the tenant
// that the setting halosync.tenant names, and accepts no others.
package scoped

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// timeout is how long Postgres may take over one statement, or over one
// transaction of a batch or chunk, which take milliseconds. Without it, a
// connection that dies silently, behind a proxy or a firewall, holds its run until
// the run's own timeout, while heartbeats on other connections succeed.
const timeout = time.Minute

// idleInTransaction ends the session of a process that was stopped (SIGSTOP, a
// frozen virtual machine) in the middle of a transaction, so that its locks do not
// block the worker that takes over.
const idleInTransaction = 30 * time.Second

// ErrURL replaces the parser's error, which may quote a part of the password (one
// with an unescaped "/" passes for a host and a bad port).
var ErrURL = errors.New("database URL: malformed; special characters in its password must be percent-encoded")

// Pool is a pool of connections. To run a statement it needs a [Scope].
type Pool struct {
	pool *pgxpool.Pool
	// Timeout bounds each statement and each transaction but those of
	// [Scope.InLongTx]. It is one minute.
	Timeout time.Duration
}

// Open creates a pool and does not connect yet. Settings of the session in cfg take
// precedence over its own. trace, unless nil, is called for each statement.
func Open(ctx context.Context, cfg *pgxpool.Config, trace Trace) (*Pool, error) {
	params := cfg.ConnConfig.RuntimeParams
	setDefault(params, "application_name", "halosync")
	if !pooled(cfg.ConnConfig) {
		params[tenantSetting] = noTenant // a statement that names no tenant sees no rows
		// Descriptions of statements are kept, plans are not: a plan made while the
		// tables were empty made pages ten times slower, and planning costs about a
		// millisecond a page. plan_cache_mode is not used: it also applies to the
		// foreign keys' own checks, which were then planned for each row and took a
		// quarter of an import's time.
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		setDefault(params, "idle_in_transaction_session_timeout", fmt.Sprint(idleInTransaction.Milliseconds()))
	}
	if trace != nil {
		cfg.ConnConfig.Tracer = tracer{trace}
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return &Pool{pool: pool, Timeout: timeout}, nil
}

// pooled reports whether the URL is for a pooler that lends connections out for one
// transaction: it names a way of executing that keeps nothing in the session. Such
// a pooler refuses settings of the session at the start, and without prepared
// statements there are no plans to keep.
func pooled(cfg *pgx.ConnConfig) bool {
	return cfg.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

// Close ends all connections. It waits for those that are in use.
func (p *Pool) Close() { p.pool.Close() }

// Ping returns an error unless the database answers.
func (p *Pool) Ping(ctx context.Context) error { return p.pool.Ping(ctx) }

// Stat returns how the connections are used now.
func (p *Pool) Stat() *pgxpool.Stat { return p.pool.Stat() }

// ConnConfig returns the configuration of a connection outside the pool.
func (p *Pool) ConnConfig() *pgx.ConnConfig { return p.pool.Config().ConnConfig }
