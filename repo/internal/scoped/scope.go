package scoped

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tenantSetting is the session setting that the row level security policies read; see
// migration 0009.
const tenantSetting = "halosync.tenant"

const (
	noTenant   = "" // matches no tenant: no tenant's name is empty
	allTenants = "*"
)

const (
	setTenantSQL = `select set_config('` + tenantSetting + `', $1, true)`
	// setBoundedTenantSQL is for a pool with [Bounds].
	setBoundedTenantSQL = `select set_config('` + tenantSetting + `', $1, true), set_config('lock_timeout', $2, true)`
)

// Scope is a [Pool] restricted to the rows of one tenant, of all tenants or of none. It
// sets the tenant for one statement or transaction, in the same round trip. Between
// statements the setting is empty.
type Scope struct {
	p       *Pool
	setting string
}

// ForTenant returns the pool restricted to one tenant's rows. If the string cannot be a
// tenant's name, the scope has no rows. This applies to "*", which would select all
// rows, and to strings that Postgres would refuse.
func (p *Pool) ForTenant(tenant string) Scope {
	if tenant == allTenants || !utf8.ValidString(tenant) || strings.ContainsRune(tenant, 0) {
		return Scope{p, noTenant}
	}
	return Scope{p, tenant}
}

// ForAllTenants returns the pool with the rows of every tenant, for code that serves
// the whole installation.
func (p *Pool) ForAllTenants() Scope { return Scope{p, allTenants} }

// ForNoTenant returns the pool without the rows of any tenant, for tables that have no
// tenant column.
func (p *Pool) ForNoTenant() Scope { return Scope{p, noTenant} }

// begin returns the SQL that starts a transaction in this scope, in one round trip. The
// tenant is written in hex, so it cannot end the SQL literal.
func (s Scope) begin(options string) string {
	timeout := ""
	if s.p.bounds != nil {
		timeout = fmt.Sprintf(`, set_config('lock_timeout', '%s', true)`, milliseconds(lockTimeout))
	}
	return fmt.Sprintf(`begin%s; select set_config('%s', convert_from('\x%s', 'UTF8'), true)%s`,
		options, tenantSetting, hex.EncodeToString([]byte(s.setting)), timeout)
}

// Exec runs one statement within [Pool.Timeout].
func (s Scope) Exec(caller context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := s.Query(caller, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// Query runs one statement. [Pool.Timeout] limits the statement and the reading of its
// rows together. The setting and the statement form one pipeline, which Postgres runs
// as one transaction.
func (s Scope) Query(caller context.Context, sql string, args ...any) (pgx.Rows, error) {
	leave, err := s.enter(caller)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.p.bound(caller)
	b := &pgx.Batch{}
	s.queueTenant(b)
	b.Queue(sql, args...)
	results := s.p.pool.SendBatch(ctx, b)
	finish := func() error {
		defer leave()
		defer cancel()
		return results.Close()
	}
	if _, err := results.Exec(); err != nil {
		_ = finish() // returns the same error
		return nil, AsUnavailable(caller, err)
	}
	rows, err := results.Query()
	if err != nil {
		_ = finish() // returns the same error
		return nil, AsUnavailable(caller, err)
	}
	return &boundedRows{Rows: rows, caller: caller, finish: finish}, nil
}

// QueryRow runs one statement within [Pool.Timeout] and returns its first row.
func (s Scope) QueryRow(caller context.Context, sql string, args ...any) pgx.Row {
	rows, err := s.Query(caller, sql, args...)
	return boundedRow{rows, err}
}

// InTx runs f in a transaction, which commits if f returns nil. The transaction may
// take at most [Pool.Timeout]. f must pass the context that it receives to every
// statement.
func (s Scope) InTx(caller context.Context, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := s.p.bound(caller)
	defer cancel()
	return AsUnavailable(caller, s.InLongTx(ctx, "", func(tx pgx.Tx) error { return f(ctx, tx) }))
}

// InLongTx is like [Scope.InTx] without a time limit. The options, such as " isolation
// level repeatable read", are appended to "begin".
func (s Scope) InLongTx(ctx context.Context, options string, f func(pgx.Tx) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return pgx.BeginTxFunc(ctx, s.p.pool, pgx.TxOptions{BeginQuery: s.begin(options)}, f)
}

// WithConn runs f with a dedicated connection for at most [Pool.Timeout]. It is for
// pipelines that begin a transaction with [Scope.QueueBegin]. It rolls back a
// transaction that f leaves open.
func (s Scope) WithConn(caller context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	leave, err := s.enter(caller)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.p.bound(caller)
	defer cancel()
	conn, err := s.p.pool.Acquire(ctx)
	if err != nil {
		return AsUnavailable(caller, err)
	}
	defer conn.Release()
	err = f(ctx, conn)
	rollback(ctx, conn)
	return AsUnavailable(caller, err)
}

// rollback ends an open or failed transaction. If the rollback fails, the pool drops
// the connection.
func rollback(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "rollback")
}

// QueueBegin queues the statements that begin a transaction in this scope.
func (s Scope) QueueBegin(b *pgx.Batch) {
	b.Queue("begin")
	s.queueTenant(b)
}

// queueTenant queues the statement that sets the tenant for the rest of a transaction.
func (s Scope) queueTenant(b *pgx.Batch) {
	if s.p.bounds == nil {
		b.Queue(setTenantSQL, s.setting)
		return
	}
	b.Queue(setBoundedTenantSQL, s.setting, milliseconds(lockTimeout))
}
