package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
)

// These credentials belong to the simulated Halo PSA.
const (
	appID     = "bench"
	appSecret = "bench-secret-of-no-value"
	tenant    = "bench-msp"
)

const (
	workerRole = "halosync_worker" // the worker's role in Postgres
	template   = "bench_template"  // the database with the schema that each measurement copies
)

// bench holds the servers and settings that all parts share.
type bench struct {
	bin, dir  string
	postgres  *devstack.Postgres
	redis     *devstack.Redis
	rdb       *redis.Client
	admin     *pgx.Conn
	databases int // number of databases created
}

// newBench starts durable servers, like those of an installation.
func newBench(ctx context.Context, bin string) (b *bench, err error) {
	b = &bench{bin: bin}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "halosync-bench-"); err != nil {
		return nil, err
	}
	if b.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresOptions{Durable: true, Settings: pgSettings()}); err != nil {
		return nil, err
	}
	if b.redis, err = devstack.StartRedis(ctx, devstack.RedisOptions{Durable: true}); err != nil {
		return nil, err
	}
	opts, err := redis.ParseURL(b.redis.URL())
	if err != nil {
		return nil, err
	}
	b.rdb = redis.NewClient(opts)
	if b.admin, err = pgx.Connect(ctx, b.postgres.URL()); err != nil {
		return nil, err
	}
	return b, b.makeTemplate(ctx)
}

// pgSettings returns settings for a small dedicated server. Checkpoints run
// before each measurement, not during it.
func pgSettings() map[string]string {
	return map[string]string{
		"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "wal_compression": "off",
	}
}

func (b *bench) makeTemplate(ctx context.Context) error {
	if err := b.postgres.CreateRole(ctx, workerRole); err != nil {
		return err
	}
	if err := b.exec(ctx, "create database "+template); err != nil {
		return err
	}
	keyset, err := b.command(ctx, "", "enqueue", "keyset", "new")
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.keysetFile(), []byte(keyset), 0o600); err != nil {
		return err
	}
	cmd := b.program(ctx, template, "worker", "migrate", "--grant-to", workerRole)
	cmd.Env = append(cmd.Env, "DATABASE_URL="+b.postgres.DatabaseURL(template)) // the last value applies
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w: %s", err, out)
	}
	return nil
}

func (b *bench) exec(ctx context.Context, sql string) error {
	_, err := b.admin.Exec(ctx, sql)
	return err
}

// database is the database of one measurement.
type database struct {
	*bench
	name string
	conn *pgx.Conn // connected as the owner of the tables
}

// database copies the template, empties Redis and runs a checkpoint.
func (b *bench) database(ctx context.Context) (*database, error) {
	b.databases++
	d := &database{bench: b, name: fmt.Sprintf("bench_%d", b.databases)}
	if err := b.exec(ctx, "create database "+d.name+" template "+template); err != nil {
		return nil, err
	}
	if err := b.rdb.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	var err error
	if d.conn, err = pgx.Connect(ctx, b.postgres.DatabaseURL(d.name)); err != nil {
		return nil, err
	}
	return d, b.exec(ctx, "checkpoint")
}

// drop removes the database and ends its remaining sessions.
func (d *database) drop(ctx context.Context) error {
	return errors.Join(d.conn.Close(ctx), d.exec(ctx, "drop database "+d.name+" with (force)"))
}

// withDatabase creates a database with a connection to h, calls f with it, and
// drops the database afterwards.
func (b *bench) withDatabase(ctx context.Context, h *halotest.Halo, f func(d *database, connection string) error) error {
	d, err := b.database(ctx)
	if err != nil {
		return err
	}
	connection, err := d.connect(ctx, h)
	if err == nil {
		err = f(d, connection)
	}
	return errors.Join(err, d.drop(ctx))
}

// connect adds a connection to a simulated Halo and returns its id.
func (d *database) connect(ctx context.Context, h *halotest.Halo) (id string, err error) {
	_, err = d.command(ctx, d.name, "enqueue", "connection", "add", "halo", "--domain", h.ResourceServer(),
		"--auth-server", h.AuthServer(), "--client-id", appID, "--client-secret-file", "-")
	if err != nil {
		return "", err
	}
	return id, d.conn.QueryRow(ctx, `select id::text from halosync.connections where tenant = $1`, tenant).Scan(&id)
}

// newHalo starts a simulator with the given number of clients. By default it
// has no latency and no rate limit.
func newHalo(clients int, p halotest.Profile) (*halotest.Halo, error) {
	if p.RateLimit == 0 {
		p.RateLimit = halotest.Off
	}
	h := halotest.New(halotest.WithProfile(p))
	t := h.Tenant("")
	t.App(appID, appSecret)
	t.Seed(clients, 1)
	return h, h.Listen("127.0.0.1:0")
}

func (b *bench) keysetFile() string { return filepath.Join(b.dir, "keyset") }

// environment returns the environment of the worker and the CLI. It overrides
// any server addresses in the caller's environment. Later settings override
// it.
func (b *bench) environment(database string) []string {
	return append(os.Environ(),
		"DATABASE_URL="+b.postgres.URLAs(workerRole, database), "REDIS_URL="+b.redis.URL(),
		"HALOSYNC_KEYSET_FILE="+b.keysetFile(), "HALOSYNC_TENANT="+tenant,
		"HALOSYNC_ALLOW_HOSTS=127.0.0.1", "HALOSYNC_HTTP_ADDR=off", "HALOSYNC_METRICS_ADDR=off", "HALOSYNC_LOG_FORMAT=json", "HALOSYNC_LOG_LEVEL=info",
		"DATABASE_URL_FILE=", "REDIS_URL_FILE=", "HALOSYNC_KEYSET=", "HALOSYNC_RATE_LIMIT=100000/1s",
	)
}

func (b *bench) program(ctx context.Context, database, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, name), args...) //nolint:gosec // worker or enqueue
	cmd.Env = b.environment(database)
	cmd.Stdin = strings.NewReader(appSecret + "\n")
	return cmd
}

func (b *bench) command(ctx context.Context, database, name string, args ...string) (string, error) {
	cmd := b.program(ctx, database, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// close stops everything in reverse order.
func (b *bench) close() error {
	var errs []error
	if b.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, b.admin.Close(ctx))
	}
	if b.rdb != nil {
		errs = append(errs, b.rdb.Close())
	}
	if b.redis != nil {
		errs = append(errs, b.redis.Close())
	}
	if b.postgres != nil {
		errs = append(errs, b.postgres.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}
