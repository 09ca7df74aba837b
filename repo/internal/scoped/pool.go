// Package scoped is a pool of Postgres connections on which each statement runs in the
// scope of one tenant and within a time limit.
//
// Row level security enforces the scope, whatever a statement's WHERE clause says. A role
// that does not own the tables sees and writes only the rows of the tenant that the setting
// halosync.tenant names.
package scoped

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// timeout limits one statement, or one transaction that writes a batch or a chunk. Both
// normally take milliseconds. Without a limit, a connection that dies silently behind a
// proxy or a firewall would block its run until the run's own timeout, while heartbeats
// on other connections succeed.
const timeout = time.Minute

// idleInTransaction is the time after which Postgres ends a session that is idle in a
// transaction, usually because its process was stopped (SIGSTOP, a frozen virtual
// machine). The session's locks then no longer block the worker that takes over.
const idleInTransaction = 30 * time.Second

// ErrURL replaces the parser's error, which may quote part of the password. If the
// password contains an unescaped "/", the parser reads the part before it as a host and
// an invalid port.
var ErrURL = errors.New("database URL: malformed; special characters in its password must be percent-encoded")

// errTLSFiles replaces the parser's error about a file that the address names.
var errTLSFiles = errors.New("database URL: a file named by sslrootcert, sslcert or sslkey cannot be read or is not PEM; if it starts with a byte order mark, remove the mark")

// URLError returns the error to report for an address that the parser rejected with err. It
// does not quote the address.
func URLError(err error) error {
	if strings.Contains(err.Error(), "failed to configure TLS") {
		return errTLSFiles
	}
	return ErrURL
}

// Pool is a pool of connections. Statements run in a [Scope].
type Pool struct {
	pool *pgxpool.Pool
	// Timeout limits each statement and each transaction, except those of
	// [Scope.InLongTx]. [Open] sets it to one minute.
	Timeout time.Duration
	bounds  *Bounds // nil: no bounds
}

// ParseConfig parses the address of the database for a connection outside a pool. The
// error does not quote the address.
func ParseConfig(url string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, URLError(err)
	}
	sendUTF8(cfg)
	return cfg, nil
}

// sendUTF8 declares that this program sends and reads UTF-8. Without it, Postgres would
// assume the encoding set by the role, the database, the URL or the server. It would then
// store each character outside ASCII as two wrong characters.
func sendUTF8(cfg *pgx.ConnConfig) { cfg.RuntimeParams["client_encoding"] = "UTF8" }

// Open creates a pool without connecting. Session settings in cfg take precedence over the
// pool's own, except for the encoding. If trace is not nil, it is called for each
// statement.
func Open(ctx context.Context, cfg *pgxpool.Config, trace Trace) (*Pool, error) {
	params := cfg.ConnConfig.RuntimeParams
	setDefault(params, "application_name", "halosync")
	sendUTF8(cfg.ConnConfig)
	if !pooled(cfg.ConnConfig) {
		params[tenantSetting] = noTenant // a statement that names no tenant sees no rows
		// Cache the descriptions of statements, but not their plans. Plans made while the
		// tables were empty made pages ten times slower, and planning takes only about a
		// millisecond per page. The setting plan_cache_mode is not an alternative, because
		// it also applies to foreign key checks. These were then planned for each row and
		// took a quarter of an import's time.
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

// pooled reports whether the URL is for a pooler in transaction mode. A URL for such a
// pooler names an execution mode that stores nothing in the session. These poolers
// refuse session settings on connection, and without prepared statements there are no
// plans to cache.
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
