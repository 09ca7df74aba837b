package installation

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// ClientID is the id of the API application in each simulated Halo.
const ClientID = "app-4711"

// Unlimited configures a Halo without a request limit.
var Unlimited = halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off})

// Slow is [Unlimited] with a latency for each answer. To keep a run in
// progress, use a [halotest.Gate] instead of a latency.
func Slow(latency time.Duration) halotest.Option {
	return halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: latency})
}

// shared holds the servers that the tests in one binary share. Redis starts at
// first use.
var shared struct {
	start     sync.Once
	redis     *devstack.Redis
	err       error
	databases atomic.Int64 // assigned so far
}

func sharedRedis() (*devstack.Redis, error) {
	shared.start.Do(func() {
		shared.redis, shared.err = devstack.StartRedis(context.Background(), devstack.RedisOptions{})
	})
	return shared.redis, shared.err
}

// Main runs the tests of a package for TestMain and then stops the shared
// servers.
func Main(m *testing.M) int {
	tasks.LogRedis(zap.NewNop().Sugar()) // go-redis logs each outage that a test causes
	code := repotest.Run(m)
	if shared.redis != nil {
		if err := shared.redis.Close(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			code = max(code, 1)
		}
	}
	return code
}

// Secrets holds the secrets of one installation. They are random, so that they
// occur nowhere else on the machine. The client secret contains characters that
// encodings change. Core is the part of the client secret without such
// characters.
type Secrets struct {
	Client, Core    string
	Postgres, Redis string // passwords in the URLs; the servers do not require them
	Keyset          string
}

// Installation is one installation of halosync. A test may change its fields before it runs
// the next command or starts the next worker.
type Installation struct {
	T          *testing.T
	DB         string // the owner's URL for the database
	Redis      string // URL of Redis
	Halo       *halotest.Halo
	Tenant     *halotest.Tenant
	App        *halotest.App
	Secrets    Secrets
	Env        []string // additional environment variables for the worker and for commands
	WorkerArgs []string
	WorkerFile string // the worker's program; default: the one with the race detector

	firstRedis string // URL of the first Redis
	evidence   *evidence
	workers    *[]*Worker
	last       *[]func() error // functions to call after the search
}

// New creates an installation whose Halo has no clients. Its tenant is msp-1.
func New(t *testing.T, opts ...halotest.Option) *Installation {
	t.Helper()
	keyset, err := secret.New()
	if err != nil {
		t.Fatal(err)
	}
	core := "c4nary-" + rand.Text()[:14]
	in := &Installation{
		T: t, Halo: halotest.Start(t, opts...), evidence: &evidence{}, workers: new([]*Worker), last: new([]func() error),
		Secrets: Secrets{
			Core: core, Client: core + `/+&%="'<é`, Postgres: "c4nary-pg-" + rand.Text()[:14], Redis: "c4nary-redis-" + rand.Text()[:14],
			Keyset: keyset,
		},
	}
	in.DB = WithPassword(t, repotest.URL(t), "", in.Secrets.Postgres)
	in.Redis = in.EmptyRedis()
	in.firstRedis = in.Redis
	in.Tenant = in.Halo.Tenant("")
	in.App = in.Tenant.App(ClientID, in.Secrets.Client)
	in.evidence.addKeyset(keyset)
	t.Cleanup(func() {
		began := time.Now()
		looked := in.Search()
		t.Logf("searched for secrets in %v; bytes in each place: %v", time.Since(began).Round(time.Millisecond), looked)
		for _, f := range *in.last {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	return in
}

// CloseLast calls f at the end of the test, after the search for secrets.
func (in *Installation) CloseLast(f func() error) { *in.last = append(*in.last, f) }

// EmptyRedis returns the URL of a Redis database that no other test uses. The
// URL contains a password.
func (in *Installation) EmptyRedis() string {
	in.T.Helper()
	redis, err := sharedRedis()
	if err != nil {
		in.T.Fatal(err)
	}
	return WithPassword(in.T, redis.DatabaseURL(int(shared.databases.Add(1))), "default", in.Secrets.Redis)
}

// PrivateRedis starts a Redis server for this test only. Use it for tests that
// halt, flush or configure Redis. To make the installation use this server, set
// its Redis field.
func (in *Installation) PrivateRedis(opts devstack.RedisOptions) *devstack.Redis {
	in.T.Helper()
	server, err := devstack.StartRedis(in.T.Context(), opts)
	if err != nil {
		in.T.Fatal(err)
	}
	in.CloseLast(server.Close)
	return server
}

// WithPassword adds a password to the URL of a server that does not require
// one. If user is empty, WithPassword keeps the URL's user.
func WithPassword(t *testing.T, address, user, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if user == "" {
		user = u.User.Username()
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// Environ returns the environment of the worker and of commands.
func (in *Installation) Environ() []string {
	return append([]string{
		"DATABASE_URL=" + repotest.Worker(in.T, in.DB), "REDIS_URL=" + in.Redis, "HALOSYNC_KEYSET=" + in.Secrets.Keyset,
		"HALOSYNC_TENANT=msp-1", "HALOSYNC_ALLOW_HOSTS=127.0.0.1", "HALOSYNC_RATE_LIMIT=100000/1s",
		"HALOSYNC_HTTP_ADDR=127.0.0.1:0", "HALOSYNC_METRICS_ADDR=127.0.0.1:0", "USER=anna",
		"GORACE=atexit_sleep_ms=0", // without this, each process built with the race detector waits a second before it exits
	}, in.Env...)
}

// Store opens the installation's store in this process, with the installation's keys.
func (in *Installation) Store() *repo.Store {
	in.T.Helper()
	return repotest.OpenKeyed(in.T, in.DB, in.Secrets.Keyset)
}

// Eventually waits until a condition holds. Its timeout is long enough for a
// busy machine.
func (in *Installation) Eventually(what string, holds func() bool) {
	in.T.Helper()
	const timeout = 4 * time.Minute
	deadline := time.Now().Add(timeout)
	for pause := 10 * time.Millisecond; !holds(); pause = min(2*pause, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			in.T.Fatalf("not within %v: %s", timeout, what)
		}
		time.Sleep(pause)
	}
}

// File writes a file and returns its path. The file is removed at the end of
// the test.
func (in *Installation) File(name, text string) string {
	in.T.Helper()
	path := filepath.Join(in.T.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		in.T.Fatal(err)
	}
	return path
}

// Long reports whether tests run in their long form, see [devstack.Long].
func Long() bool { return devstack.Long() }

// Queues lists the names of all queues.
var Queues = []string{tasks.QueueInteractive, tasks.QueueImport, tasks.QueueResync}

// Leap moves every stored time back by d, as if nothing had happened for that
// long. A test then need not wait for a lease to expire, or for a heartbeat or a retry to
// become due. The timers of running processes do not change. In the long form, tests wait
// instead.
func (in *Installation) Leap(d time.Duration) {
	in.T.Helper()
	rdb := in.ConnectRedis(in.Redis)
	for _, queue := range Queues {
		for _, set := range []string{"lease", "retry", "scheduled"} {
			key := "asynq:{" + queue + "}:" + set
			members, err := rdb.ZRange(in.T.Context(), key, 0, -1).Result()
			if err != nil {
				in.T.Fatal(err)
			}
			for _, member := range members {
				if err := rdb.ZIncrBy(in.T.Context(), key, -d.Seconds(), member).Err(); err != nil {
					in.T.Fatal(err)
				}
			}
		}
	}
	repotest.Exec(in.T, in.DB, `
		update halosync.runs set beat_at = beat_at - $1::interval, dispatched_at = dispatched_at - $1::interval, not_before = not_before - $1::interval
		where finished_at is null`, d)
}
