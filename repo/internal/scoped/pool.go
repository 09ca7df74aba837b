// Package scoped is a pool of Postgres connections on which each statement runs in the
// scope of one tenant and within a time limit.
//
// Row level security enforces the scope. Whatever a statement's WHERE says, a role that
// does not own the tables sees and writes only the rows of the tenant that the setting
// halosync.tenant names.
package scoped

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// timeout bounds one statement, or one transaction of a batch or chunk, which normally
// takes milliseconds. Without it, a connection that dies silently behind a proxy or a
// firewall would block its run until the run's own timeout, while heartbeats on other
// connections succeed.
const timeout = time.Minute

// idleInTransaction ends the session of a process that was stopped (SIGSTOP, a frozen
// virtual machine) in the middle of a transaction. Its locks then no longer block the
// worker that takes over.
const idleInTransaction = 30 * time.Second

// ErrURL replaces the parser's error, which may quote a part of the password. A part
// before an unescaped "/" is parsed as a host and an invalid port.
var ErrURL = errors.New("database URL: malformed; special characters in its password must be percent-encoded")

// Pool is a pool of connections. A statement needs a [Scope] to run.
type Pool struct {
	pool *pgxpool.Pool
	// Timeout bounds each statement and each transaction, except those of
	// [Scope.InLongTx]. It is one minute.
	Timeout time.Duration
}

// Open creates a pool and does not connect. Session settings in cfg take precedence
// over the pool's own. If trace is not nil, it is called for each statement.
func Open(ctx context.Context, cfg *pgxpool.Config, trace Trace) (*Pool, error) {
	params := cfg.ConnConfig.RuntimeParams
	setDefault(params, "application_name", "halosync")
	if !pooled(cfg.ConnConfig) {
		params[tenantSetting] = noTenant // a statement that names no tenant sees no rows
		// Descriptions of statements are kept, but plans are not. A plan made while the
		// tables were empty made pages ten times slower, and planning costs only about
		// a millisecond per page. plan_cache_mode does not help: it also applies to the
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

// pooled reports whether the URL is for a pooler that lends connections for one
// transaction at a time. Such a URL names an execution mode that keeps nothing in the
// session. These poolers refuse session settings at the start, and without prepared
// statements there are no plans to keep.
func pooled(cfg *pgx.ConnConfig) bool {
	return cfg.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

// Close closes all connections. It waits for those that are in use.
func (p *Pool) Close() { p.pool.Close() }

// Ping returns an error unless the database answers.
func (p *Pool) Ping(ctx context.Context) error { return p.pool.Ping(ctx) }

// Stat returns the current use of the connections.
func (p *Pool) Stat() *pgxpool.Stat { return p.pool.Stat() }

// ConnConfig returns the configuration for a connection outside the pool.
func (p *Pool) ConnConfig() *pgx.ConnConfig { return p.pool.Config().ConnConfig }
