// Package repotest gives each test its own Postgres database. Each test binary starts a
// private server from an image that contains a migrated template. Each test gets a
// clone of the template, which takes about 20 ms. The server ends with the process,
// even if the process is killed. Without Postgres the test fails.
package repotest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/schema"
)

// The roles of the programs do not own the tables. Each role has only the rights that the
// worker or the CLI needs.
const (
	workerRole = "halosync_worker"
	cliRole    = "halosync_cli"
)

// template is the migrated database that each test copies.
const template = "halosync_template"

// kit is the server that all tests of one binary share.
type kit struct {
	server *devstack.Postgres
	admin  *pgxpool.Pool // creates and drops databases
	keys   *secret.Keyset
	// strategy is an option of "create database".
	strategy string
}

// shared starts the kit on first use.
var shared = sync.OnceValues(start)

// Main runs the tests and stops the server cleanly; call it from TestMain. Without Main
// the server still ends with the process.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is like [Main] but returns the exit code, for tests that do their own cleanup.
func Run(m *testing.M) int {
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop postgres:", err)
		code = max(code, 1)
	}
	return code
}

// started is true once there is a server to stop.
var started bool

func start() (*kit, error) {
	ctx := context.Background()
	key, err := schemaKey()
	if err != nil {
		return nil, err
	}
	server, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{
		Image:    &devstack.Image{Name: "schema", Key: key, Prepare: prepare},
		InMemory: true,
	})
	if err != nil {
		return nil, err
	}
	k := &kit{server: server}
	if k.admin, err = pgxpool.New(ctx, server.URL()); err != nil {
		return nil, err
	}
	text, err := secret.New()
	if err != nil {
		return nil, err
	}
	if k.keys, err = secret.Parse(text); err != nil {
		return nil, err
	}
	// Copying files takes a third of the time of writing them through the WAL, and no
	// test needs the WAL. Before version 15, Postgres always copied files.
	if err := k.admin.QueryRow(ctx, `select case when current_setting('server_version_num')::int >= 150000
		then ' strategy file_copy' else '' end`).Scan(&k.strategy); err != nil {
		return nil, err
	}
	started = true
	return k, nil
}

// prepare creates the template and the roles. They are the same for all test binaries,
// so they are part of the server's image.
func prepare(ctx context.Context, server *devstack.Postgres) error {
	admin, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "create database "+template)
	for _, role := range []string{workerRole, cliRole} {
		if err == nil {
			_, err = admin.Exec(ctx, "create role "+role+" login")
		}
	}
	if err := errors.Join(err, admin.Close(ctx)); err != nil {
		return err
	}
	if _, err := schema.Migrate(ctx, server.DatabaseURL(template)); err != nil {
		return err
	}
	if err := schema.Grant(ctx, server.DatabaseURL(template), workerRole, schema.Worker); err != nil {
		return err
	}
	return schema.Grant(ctx, server.DatabaseURL(template), cliRole, schema.CLI)
}

// schemaKey returns a string that changes with the migrations and with the code that
// applies them and grants the rights.
func schemaKey() (string, error) {
	root, err := devstack.Root()
	if err != nil {
		return "", nil //nolint:nilerr // no image is stored outside the repository
	}
	var files []string
	for _, pattern := range []string{"go.mod", "repo/schema/*.go", "repo/schema/*.sql", "repo/internal/scoped/*.go", "repo/repotest/*.go"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	sum := sha256.New()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(file), len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func stop() error {
	if !started {
		return nil
	}
	k, err := shared()
	if err != nil {
		return err
	}
	k.admin.Close()
	return k.server.Close()
}

func get(tb testing.TB) *kit {
	tb.Helper()
	k, err := shared()
	if err != nil {
		tb.Fatalf("test database: %v", err)
	}
	return k
}

// Server starts a Postgres server for one test, which may stop or configure it. The
// server ends with the test.
func Server(tb testing.TB, settings map[string]string) *devstack.Postgres {
	tb.Helper()
	server, err := devstack.StartPostgres(tb.Context(), devstack.PostgresOptions{Settings: settings})
	if err != nil {
		tb.Fatalf("postgres: %v", err)
	}
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Errorf("stop postgres: %v", err)
		}
	})
	return server
}

// New opens a store on a new database for the test.
func New(tb testing.TB) *repo.Store {
	tb.Helper()
	return Open(tb, URL(tb))
}

// URL creates a migrated database for the test and returns its address. The database is
// dropped at the end of the test.
func URL(tb testing.TB) string {
	tb.Helper()
	return database(tb, "template "+template)
}

// EmptyURL is like [URL], but without the schema.
func EmptyURL(tb testing.TB) string {
	tb.Helper()
	return database(tb, "")
}

// EncodedURL is like [EmptyURL], but with another encoding, such as LATIN1.
func EncodedURL(tb testing.TB, encoding string) string {
	tb.Helper()
	return database(tb, "template template0 locale 'C' encoding '"+encoding+"'")
}

func database(tb testing.TB, with string) string {
	tb.Helper()
	k := get(tb)
	name := fmt.Sprintf("test_%x", uuid.New())
	if _, err := k.admin.Exec(context.Background(), "create database "+name+" "+with+k.strategy); err != nil {
		tb.Fatalf("test database: %v", err)
	}
	tb.Cleanup(func() {
		if _, err := k.admin.Exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
			tb.Errorf("drop test database: %v", err)
		}
	})
	return k.server.DatabaseURL(name)
}

// Worker returns the address of a database from [URL] for the role of a worker. Row level
// security applies to that role, but not to the owner of the tables, whose address is
// url. Any other address is returned unchanged.
func Worker(tb testing.TB, url string) string {
	tb.Helper()
	return as(workerRole, url)
}

// CLI is like [Worker] for the role of the CLI, which may also create API keys.
func CLI(tb testing.TB, url string) string {
	tb.Helper()
	return as(cliRole, url)
}

func as(role, url string) string {
	return strings.Replace(url, "postgres://postgres@/test_", "postgres://"+role+"@/test_", 1)
}

// Open opens another store on a database from [URL], under the role of a worker. It acts
// as another worker with the same keys.
func Open(tb testing.TB, url string) *repo.Store {
	tb.Helper()
	return OpenAs(tb, Worker(tb, url))
}

// OpenAs is like [Open], but uses the role that the address names.
func OpenAs(tb testing.TB, url string) *repo.Store {
	tb.Helper()
	return open(tb, url, Keys(tb))
}

// OpenKeyed is like [Open], but with the given key set.
func OpenKeyed(tb testing.TB, url, keyset string) *repo.Store {
	tb.Helper()
	keys, err := secret.Parse(keyset)
	if err != nil {
		tb.Fatal(err)
	}
	return open(tb, Worker(tb, url), keys)
}

func open(tb testing.TB, url string, keys *secret.Keyset) *repo.Store {
	tb.Helper()
	store, err := repo.Open(context.Background(), repo.Options{URL: url, Keys: keys})
	if err != nil {
		tb.Fatalf("test database: %v", err)
	}
	tb.Cleanup(store.Close)
	return store
}

// Keys returns the keys that [New] and [Open] use.
func Keys(tb testing.TB) *secret.Keyset {
	tb.Helper()
	return get(tb).keys
}

// Exec runs one statement on a database from [URL], bypassing the store.
func Exec(tb testing.TB, url, sql string, args ...any) {
	tb.Helper()
	with(tb, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.Background(), sql, args...)
		return err
	})
}

// Refusal runs one statement, which must fail, and returns the text of the error.
func Refusal(tb testing.TB, url, sql string, args ...any) (said string) {
	tb.Helper()
	with(tb, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.Background(), sql, args...)
		if err == nil {
			return fmt.Errorf("not refused: %s", sql)
		}
		said = err.Error()
		return nil // as expected
	})
	return said
}

// MapClients bypasses the store. For each N from first to last, it creates a company
// "Client N" and maps it to client N of a connection.
func MapClients(tb testing.TB, url string, conn repo.Connection, first, last int) {
	tb.Helper()
	Exec(tb, url, `
		with made as (
			insert into halosync.companies (tenant, id, name, norm_name)
			select $1, gen_random_uuid(), 'Client ' || i, i::text from generate_series($3::int, $4::int) i returning id, norm_name)
		insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
		select $1, gen_random_uuid(), $2, id, norm_name::bigint, 'Client ' || norm_name, false, 'import', 'ok' from made`,
		conn.Tenant, conn.ID, first, last)
}

// Value reads one value from a database from [URL], bypassing the store.
func Value[T any](tb testing.TB, url, sql string, args ...any) (value T) {
	tb.Helper()
	with(tb, url, func(conn *pgx.Conn) error {
		return conn.QueryRow(context.Background(), sql, args...).Scan(&value)
	})
	return value
}

// with runs f on a connection that all statements of one test share. A test that waits
// for a condition reads it many times, and each new session would cost the server a
// process.
func with(tb testing.TB, address string, f func(*pgx.Conn) error) {
	tb.Helper()
	ctx := context.Background()
	kept := sessionsOf(tb)
	kept.mu.Lock()
	defer kept.mu.Unlock()
	conn := kept.by[address]
	if conn != nil && conn.Ping(ctx) != nil { // the server was stopped in the meantime
		_ = conn.Close(ctx)
		conn = nil
	}
	if conn == nil {
		var err error
		if conn, err = pgx.Connect(ctx, address); err != nil {
			tb.Fatalf("test database: %v", err)
		}
		kept.by[address] = conn
	}
	if err := f(conn); err != nil {
		tb.Fatalf("test database: %v", err)
	}
}

// sessions holds the connections of one test, by address.
type sessions struct {
	mu sync.Mutex
	by map[string]*pgx.Conn
}

var allSessions sync.Map // testing.TB to *sessions

func sessionsOf(tb testing.TB) *sessions {
	kept, known := allSessions.LoadOrStore(tb, &sessions{by: map[string]*pgx.Conn{}})
	own := kept.(*sessions)
	if !known {
		tb.Cleanup(func() {
			allSessions.Delete(tb)
			own.mu.Lock()
			defer own.mu.Unlock()
			for _, conn := range own.by {
				_ = conn.Close(context.Background()) // the server may have ended
			}
		})
	}
	return own
}
