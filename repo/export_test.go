package repo

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/internal/secret"
)

// Statements for the tests of their plans.
const (
	LockDueSQL      = lockDueSQL
	LateSQL         = lateSQL
	UndispatchedSQL = undispatchedSQL
	SuggestionsSQL  = suggestionsSQL
)

// OverrideTenant makes a store run every statement in the scope of one tenant,
// whichever tenant the caller names. Tests use it to check row level security alone.
func OverrideTenant(s *Store, tenant string) { s.scopeOf = func(string) string { return tenant } }

// RawCount runs a statement in a session of the store without a tenant.
func RawCount(ctx context.Context, s *Store, sql string) (n int, err error) {
	err = s.pool.ForNoTenant().WithConn(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, sql).Scan(&n)
	})
	return n, err
}

// SetTimeout sets the time limit for statements.
func SetTimeout(s *Store, limit time.Duration) { s.pool.Timeout = limit }

// OpenWrapped opens a store with a single connection. The function wrap wraps its
// network connection.
func OpenWrapped(ctx context.Context, url string, keys *secret.Keyset, wrap func(net.Conn) net.Conn) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 1
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return wrap(conn), nil
	}
	return open(ctx, cfg, Options{Keys: keys})
}
