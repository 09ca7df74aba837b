package repo

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The wall is row level security: whatever a statement's WHERE says, Postgres
// shows a role that does not own the tables the rows of one tenant only, whom
// the setting halosync.tenant names, and takes no others from it. The setting
// is made for one statement or transaction, in the same round trip. Between
// them, and in a session that forgot it, it is nobody's.
const (
	tenantSetting = "halosync.tenant"
	nobody        = "" // no tenant's name is empty
	everybody     = "*"
)

const setTenantSQL = `select set_config('` + tenantSetting + `', $1, true)`

// scope is whose rows a statement may touch.
type scope struct{ setting string }

// ofTenant is one tenant's. A text that cannot be a tenant's name is nobody's:
// "*", which would be everybody's, and what Postgres would refuse as text.
func ofTenant(tenant string) scope {
	if tenant == everybody || !utf8.ValidString(tenant) || strings.ContainsRune(tenant, 0) {
		return scope{nobody}
	}
	return scope{tenant}
}

// ofAll is every tenant's, for what serves the whole installation. The package's
// documentation lists who uses it, and a test compares.
func ofAll() scope { return scope{everybody} }

// begin is the text that starts a transaction in this scope, in one round trip.
// The value is written in hex, in which nothing can break out of the literal.
func (w scope) begin(options string) string {
	return fmt.Sprintf(`begin%s; select set_config('%s', convert_from('\x%s', 'UTF8'), true)`,
		options, tenantSetting, hex.EncodeToString([]byte(w.setting)))
}

// walled is the pool in one scope.
type walled struct {
	patient
	scope
}

// as is the pool for statements that touch the tenant's rows alone.
func (s *Store) as(tenant string) walled { return walled{s.pool, s.scopeOf(tenant)} }

// asAll is the pool for statements that go over all tenants.
func (s *Store) asAll() walled { return walled{s.pool, ofAll()} }

// Exec runs one statement. It is bounded by [patience].
func (w walled) Exec(caller context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := w.Query(caller, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// Query is bounded up to the last row. The setting and the statement are one
// pipeline, which Postgres makes one transaction.
func (w walled) Query(caller context.Context, sql string, args ...any) (pgx.Rows, error) {
	ctx, cancel := w.bound(caller)
	b := &pgx.Batch{}
	b.Queue(setTenantSQL, w.setting)
	b.Queue(sql, args...)
	results := w.pool.SendBatch(ctx, b)
	finish := func() error {
		defer cancel()
		return results.Close()
	}
	if _, err := results.Exec(); err != nil {
		_ = finish() // says the same
		return nil, late(caller, err)
	}
	rows, err := results.Query()
	if err != nil {
		_ = finish() // says the same
		return nil, late(caller, err)
	}
	return &patientRows{Rows: rows, caller: caller, finish: finish}, nil
}

// QueryRow is bounded.
func (w walled) QueryRow(caller context.Context, sql string, args ...any) pgx.Row {
	rows, err := w.Query(caller, sql, args...)
	return patientRow{rows, err}
}

// inTx runs f in a transaction that commits if f returns nil.
// Its context, which is bounded by [patience], is for every statement of f.
func (w walled) inTx(caller context.Context, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := w.bound(caller)
	defer cancel()
	return late(caller, w.unboundTx(ctx, "", func(tx pgx.Tx) error { return f(ctx, tx) }))
}

// unboundTx is inTx for what takes as long as it takes, with options for begin.
func (w walled) unboundTx(ctx context.Context, options string, f func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, w.pool, pgx.TxOptions{BeginQuery: w.begin(options)}, f)
}
