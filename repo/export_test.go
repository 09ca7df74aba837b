package repo

import (
	"context"
	"io/fs"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/internal/secret"
)

// Statements of each tick, for the test of their plans.
const (
	LockDueSQL      = lockDueSQL
	LateSQL         = lateSQL
	UndispatchedSQL = undispatchedSQL
)

// CheckNumbers is checkNumbers for the tests, which are outside the package
// because repotest imports it.
func CheckNumbers(migrations fs.FS) (int64, error) { return checkNumbers(migrations) }

// MigrateFS is [Migrate] with other migrations than the embedded ones.
func MigrateFS(ctx context.Context, url string, migrations fs.FS) (MigrateResult, error) {
	return migrate(ctx, url, migrations, 1)
}

// Embedded are the migrations of the program.
func Embedded() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err)
	}
	return sub
}

// Floors are the floor of the embedded migrations and the lowest one of a released
// schema.
func Floors() (ours, released int64) {
	ours, err := oldestProgram(Embedded())
	if err != nil {
		panic(err)
	}
	return ours, baseline
}

// Latest is the version that the program wants.
func Latest() int64 { return latest() }

// Misname makes a store put every statement into one tenant's scope, whatever
// tenant it is asked for: what the wall is for.
func Misname(s *Store, tenant string) { s.scopeOf = func(string) scope { return ofTenant(tenant) } }

// RawCount runs a statement on a session of the store that names no tenant.
func RawCount(ctx context.Context, s *Store, sql string) (n int, err error) {
	err = s.pool.pool.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

// Rights are the rights that [Grant] gives: tables with verbs.
func Rights() map[string]string {
	all := make(map[string]string)
	for _, r := range rights {
		all[r.table] = r.verbs
	}
	return all
}

// SetPatience makes a store less patient with Postgres.
func SetPatience(s *Store, limit time.Duration) { s.pool.limit = limit }

// OpenWrapped opens a store with one connection, whose network side passes
// through wrap.
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
	return open(ctx, cfg, keys)
}
