package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// Credentials of the simulated Halo PSA. They open nothing else.
const (
	appID     = "bench"
	appSecret = "bench-secret-of-no-value"
	tenant    = "bench-msp"
)

// workerRole is who the worker is in Postgres; template is the migrated
// database that each measurement gets a copy of.
const (
	workerRole = "halosync_worker"
	template   = "bench_template"
)

// stage holds what all measurements share.
type stage struct {
	bin, dir string
	postgres *devstack.Postgres
	redis    *devstack.Redis
	rdb      *redis.Client
	admin    *pgx.Conn
	made     int // databases
}

// newStage starts the servers as an installation would run them: everything
// that is committed is on disk.
func newStage(ctx context.Context, bin string) (s *stage, err error) {
	s = &stage{bin: bin}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "halosync-bench-"); err != nil {
		return nil, err
	}
	if s.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresOptions{Durable: true, Settings: pgSettings()}); err != nil {
		return nil, err
	}
	if s.redis, err = devstack.StartRedis(ctx, devstack.RedisOptions{Durable: true}); err != nil {
		return nil, err
	}
	opts, err := redis.ParseURL(s.redis.URL())
	if err != nil {
		return nil, err
	}
	s.rdb = redis.NewClient(opts)
	if s.admin, err = pgx.Connect(ctx, s.postgres.URL()); err != nil {
		return nil, err
	}
	return s, s.makeTemplate(ctx)
}

// pgSettings are those of a small dedicated server. Checkpoints come before
// each measurement and not in it.
func pgSettings() map[string]string {
	return map[string]string{
		"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "wal_compression": "off",
	}
}

func (s *stage) makeTemplate(ctx context.Context) error {
	if err := s.postgres.CreateRole(ctx, workerRole); err != nil {
		return err
	}
	if err := s.exec(ctx, "create database "+template); err != nil {
		return err
	}
	keyset, err := s.command(ctx, "", "enqueue", "keyset", "new")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.keysetFile(), []byte(keyset), 0o600); err != nil {
		return err
	}
	cmd := s.program(ctx, template, "worker", "migrate", "--grant-to", workerRole)
	cmd.Env = append(cmd.Env, "DATABASE_URL="+s.postgres.DatabaseURL(template)) // the last one counts
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w: %s", err, out)
	}
	return nil
}

func (s *stage) exec(ctx context.Context, sql string) error {
	_, err := s.admin.Exec(ctx, sql)
	return err
}

// database makes an empty database with the schema, and empties Redis. The
// disk is at rest afterwards.
func (s *stage) database(ctx context.Context) (*database, error) {
	s.made++
	d := &database{stage: s, name: fmt.Sprintf("bench_%d", s.made)}
	if err := s.exec(ctx, "create database "+d.name+" template "+template); err != nil {
		return nil, err
	}
	if err := s.rdb.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	var err error
	if d.conn, err = pgx.Connect(ctx, s.postgres.DatabaseURL(d.name)); err != nil {
		return nil, err
	}
	return d, s.exec(ctx, "checkpoint")
}

// database is one measurement's own.
type database struct {
	*stage
	name string
	conn *pgx.Conn // as the tables' owner
}

// drop removes it, whoever is still connected.
func (d *database) drop(ctx context.Context) error {
	return errors.Join(d.conn.Close(ctx), d.exec(ctx, "drop database "+d.name+" with (force)"))
}

// connect adds a connection to a simulated Halo, and returns its id.
func (d *database) connect(ctx context.Context, h *halotest.Halo) (id string, err error) {
	_, err = d.command(ctx, d.name, "enqueue", "connection", "add", "halo", "--domain", h.ResourceServer(),
		"--auth-server", h.AuthServer(), "--client-id", appID, "--client-secret-file", "-")
	if err != nil {
		return "", err
	}
	return id, d.conn.QueryRow(ctx, `select id::text from halosync.connections where tenant = $1`, tenant).Scan(&id)
}

// newHalo starts a simulator with so many clients that answers at once and
// without a limit. Its pages are rendered, once each, before they are counted.
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

func (s *stage) keysetFile() string { return filepath.Join(s.dir, "keyset") }

// environment is what worker and CLI run with; nothing of the caller's own
// servers comes in. A later setting wins over these.
func (s *stage) environment(database string) []string {
	return append(os.Environ(),
		"DATABASE_URL="+s.postgres.URLAs(workerRole, database), "REDIS_URL="+s.redis.URL(),
		"HALOSYNC_KEYSET_FILE="+s.keysetFile(), "HALOSYNC_TENANT="+tenant,
		"HALOSYNC_ALLOW_HOSTS=127.0.0.1", "HALOSYNC_HTTP_ADDR=off", "HALOSYNC_LOG_FORMAT=json", "HALOSYNC_LOG_LEVEL=info",
		"DATABASE_URL_FILE=", "REDIS_URL_FILE=", "HALOSYNC_KEYSET=", "HALOSYNC_RATE_LIMIT=100000/1s",
	)
}

func (s *stage) program(ctx context.Context, database, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...) //nolint:gosec // our own two programs
	cmd.Env = s.environment(database)
	cmd.Stdin = strings.NewReader(appSecret + "\n")
	return cmd
}

func (s *stage) command(ctx context.Context, database, name string, args ...string) (string, error) {
	cmd := s.program(ctx, database, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// close stops everything in the reverse order.
func (s *stage) close() error {
	var errs []error
	if s.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, s.admin.Close(ctx))
	}
	if s.rdb != nil {
		errs = append(errs, s.rdb.Close())
	}
	for _, c := range []io.Closer{s.redis, s.postgres} {
		if c != (*devstack.Redis)(nil) && c != (*devstack.Postgres)(nil) {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
