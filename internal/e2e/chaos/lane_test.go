package chaos

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo/schema"
)

const template = "chaos_template"

// lane is a set of servers that episodes use one after another: a durable
// Postgres, a Redis without persistence, a Halo, and the links to them.
type lane struct {
	pg    *devstack.Postgres
	redis *devstack.Redis
	halo  *halotest.Halo
	relay *socketRelay

	toPostgres, toRedis, toHalo *link

	rdb    *redis.Client // connected without the link
	keyset string
	keys   *secret.Keyset

	pgMu, redisMu sync.Mutex // locked while the server is stopped and restarted
}

func newLane(ctx context.Context) (l *lane, err error) {
	l = &lane{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	// As in production, a confirmed commit survives a crash of the server.
	// fsync may stay off, because the machine itself does not crash.
	l.pg, err = devstack.StartPostgres(ctx, devstack.PostgresOptions{Settings: map[string]string{"synchronous_commit": "on"}})
	if err != nil {
		return l, err
	}
	if l.redis, err = devstack.StartRedis(ctx, devstack.RedisOptions{Config: []string{"appendonly no"}}); err != nil {
		return l, err
	}
	l.halo = halotest.New(halotest.WithProfile(halotest.Profile{
		RateLimit: halotest.Off, RetryAfter: halotest.RetryAfterSeconds, PageCap: pageCap, Latency: 120 * time.Millisecond,
	}))
	if err = l.halo.Listen("127.0.0.1:0"); err != nil {
		return l, err
	}
	if l.relay, err = newSocketRelay(filepath.Join(l.pg.Dir(), ".s.PGSQL.5432")); err != nil {
		return l, err
	}
	for _, way := range []struct {
		to             **link
		name, upstream string
	}{
		{&l.toPostgres, "postgres", l.relay.addr()},
		{&l.toRedis, "redis", l.redis.Addr()},
		{&l.toHalo, "halo", l.halo.URL()[len("http://"):]},
	} {
		if *way.to, err = newLink(way.name, way.upstream); err != nil {
			return l, err
		}
	}
	l.rdb = redis.NewClient(&redis.Options{Addr: l.redis.Addr()})
	if l.keyset, err = secret.New(); err != nil {
		return l, err
	}
	if l.keys, err = secret.Parse(l.keyset); err != nil {
		return l, err
	}
	if err = l.sql(ctx, "create database "+template); err != nil {
		return l, err
	}
	if err = l.pg.CreateRole(ctx, workerRole); err != nil {
		return l, err
	}
	if _, err = schema.Migrate(ctx, l.pg.DatabaseURL(template)); err != nil {
		return l, err
	}
	return l, schema.Grant(ctx, l.pg.DatabaseURL(template), workerRole, schema.Worker)
}

// sql runs one statement in the database "postgres".
func (l *lane) sql(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, l.pg.URL())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// database creates a database with the schema.
func (l *lane) database(ctx context.Context, name string) error {
	return l.sql(ctx, "create database "+name+" template "+template)
}

// workerRole is the database role of the workers. Row-level security applies to
// it.
const workerRole = "halosync_worker"

// workerDatabase returns the URL that workers use for a database.
func (l *lane) workerDatabase(name string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", workerRole, l.toPostgres.addr, name)
}

// links returns all links to the servers.
func (l *lane) links() []*link { return []*link{l.toPostgres, l.toRedis, l.toHalo} }

func (l *lane) close() error {
	var errs []error
	for _, way := range l.links() {
		if way != nil {
			way.cut()
		}
	}
	if l.rdb != nil {
		errs = append(errs, l.rdb.Close())
	}
	if l.relay != nil {
		l.relay.close()
	}
	if l.halo != nil {
		l.halo.Close()
	}
	if l.redis != nil {
		errs = append(errs, l.redis.Close())
	}
	if l.pg != nil {
		errs = append(errs, l.pg.Close())
	}
	return errors.Join(errs...)
}
