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

// Unlimited is a Halo without a request limit, for tests of everything else.
var Unlimited = halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off})

// Slow is [Unlimited] with a latency for each answer. What must still be going on
// when something else happens is held by a [halotest.Gate], never by latency.
func Slow(latency time.Duration) halotest.Option {
	return halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: latency})
}

// shared is what the tests of one binary share. Each part starts at its first use.
var shared struct {
	start     sync.Once
	redis     *devstack.Redis
	err       error
	databases atomic.Int64 // handed out
}

func sharedRedis() (*devstack.Redis, error) {
	shared.start.Do(func() {
		shared.redis, shared.err = devstack.StartRedis(context.Background(), devstack.RedisOptions{})
	})
	return shared.redis, shared.err
}

// Main runs the tests of a package and stops the shared servers; for TestMain.
func Main(m *testing.M) int {
	tasks.LogRedis(zap.NewNop().Sugar()) // go-redis reports each outage that a test makes
	code := repotest.Run(m)
	if shared.redis != nil {
		if err := shared.redis.Close(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			code = max(code, 1)
		}
	}
	return code
}

// Secrets are the secrets of one installation. They are random, so that nothing
// else on the machine has them by chance. The client secret has characters that
// every encoding treats in its own way; Core is its plain part.
type Secrets struct {
	Client, Core    string
	Postgres, Redis string // passwords in the URLs, of servers that ask for none
	Keyset          string
}

// Installation is one installation of halosync. Its fields may be changed between
// commands and starts of workers.
type Installation struct {
	T          *testing.T
	DB         string // URL of the database as its owner
	Redis      string // URL
	Halo       *halotest.Halo
	Tenant     *halotest.Tenant
	App        *halotest.App
	Secrets    Secrets
	Env        []string // further variables of worker and commands
	WorkerArgs []string

	firstRedis string // the one that it began with
	evidence   *evidence
	workers    *[]*Worker
	last       *[]func() error // to close after the search
}

// New makes an installation with a Halo without clients. The tenant is msp-1.
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
		t.Logf("searched for secrets in %v, bytes: %v", time.Since(began).Round(time.Millisecond), looked)
		for _, f := range *in.last {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	return in
}

// CloseLast closes something at the test's end, after it was searched.
func (in *Installation) CloseLast(f func() error) { *in.last = append(*in.last, f) }

// EmptyRedis is the URL of a Redis database that no other test uses, with a
// password.
func (in *Installation) EmptyRedis() string {
	in.T.Helper()
	redis, err := sharedRedis()
	if err != nil {
		in.T.Fatal(err)
	}
	return WithPassword(in.T, redis.DatabaseURL(int(shared.databases.Add(1))), "default", in.Secrets.Redis)
}

// PrivateRedis starts a Redis that no one else uses and that ends with the test,
// for tests that halt, flush or set it up. The installation does not use it yet.
func (in *Installation) PrivateRedis(opts devstack.RedisOptions) *devstack.Redis {
	in.T.Helper()
	server, err := devstack.StartRedis(in.T.Context(), opts)
	if err != nil {
		in.T.Fatal(err)
	}
	in.CloseLast(server.Close)
	return server
}

// WithPassword puts a password into a URL whose server asks for none. user ""
// leaves the URL's.
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

// Environ is the installation's environment, for worker and commands.
func (in *Installation) Environ() []string {
	return append([]string{
		"DATABASE_URL=" + repotest.Worker(in.T, in.DB), "REDIS_URL=" + in.Redis, "HALOSYNC_KEYSET=" + in.Secrets.Keyset,
		"HALOSYNC_TENANT=msp-1", "HALOSYNC_ALLOW_HOSTS=127.0.0.1", "HALOSYNC_RATE_LIMIT=100000/1s",
		"HALOSYNC_HTTP_ADDR=127.0.0.1:0", "USER=anna",
		"GORACE=atexit_sleep_ms=0", // otherwise each process of the race detector's waits a second before it ends
	}, in.Env...)
}

// Store opens the installation's store in this process, with its keys.
func (in *Installation) Store() *repo.Store {
	in.T.Helper()
	return repotest.OpenKeyed(in.T, in.DB, in.Secrets.Keyset)
}

// Eventually waits until a condition holds. The time that it allows is for a
// machine that is busy; it is never used up on one that is not.
func (in *Installation) Eventually(what string, holds func() bool) {
	in.T.Helper()
	const patience = 4 * time.Minute
	deadline := time.Now().Add(patience)
	for pause := 10 * time.Millisecond; !holds(); pause = min(2*pause, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			in.T.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(pause)
	}
}

// File writes a file that goes with the test and returns its path.
func (in *Installation) File(name, text string) string {
	in.T.Helper()
	path := filepath.Join(in.T.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		in.T.Fatal(err)
	}
	return path
}
