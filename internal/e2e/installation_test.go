package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// newInstallation returns an installation with a unique id. Test databases are copies
// of one template, so they all begin with the same id.
func newInstallation(t *testing.T, redis string) *installation.Installation {
	t.Helper()
	in := installation.New(t, installation.Unlimited)
	in.Redis = redis
	in.Tenant.Seed(250, 7)
	repotest.Exec(t, in.DB, `update halosync.installation set id = gen_random_uuid()`)
	return in
}

const (
	refusal = "this Redis belongs to another installation of halosync"
	key     = "halosync:installation"
)

// A worker does not start with the Redis of another installation, nor does it take any task
// from that Redis. The worker's error message, doctor and enqueue each say what to do. The
// request is kept and is executed once the setting has been corrected.
func TestTwoInstallationsOnOneRedis(t *testing.T) {
	t.Parallel()
	server, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := devstack.StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, close := range []func() error{server.Close, cluster.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	})
	for name, tt := range map[string]struct{ redis, other, advice string }{
		"server":  {server.URL(), server.DatabaseURL(1), "another database number"},
		"cluster": {cluster.URL(), "", "another Redis Cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := newInstallation(t, tt.redis), newInstallation(t, tt.redis)
			first.Connect()
			w := first.StartWorker()

			if out := second.Work(1); !strings.Contains(out, "redis: "+refusal) || !strings.Contains(out, tt.advice) {
				t.Errorf("the second worker says:\n%s", out)
			}
			found, text, code := doctor(second)
			if code != 1 || found.Faults == 0 || !strings.Contains(text, refusal) || !strings.Contains(text, "docs/operating.md") {
				t.Errorf("doctor, exit code %d:\n%s", code, text)
			}
			second.Connect()
			out, errs, code := second.Enqueue("import", "--connection", "halo", "--all", "-o", "json")
			if code != 0 || !strings.Contains(errs, refusal) || !strings.Contains(errs, "the run is saved") {
				t.Errorf("enqueue: exit code %d\n%s%s", code, out, errs)
			}
			id := installation.Decode[installation.Run](t, out).ID

			for range 3 {
				if r := first.ImportAll(); r.State != "succeeded" && r.State != "partial" || r.Attempt != 1 {
					t.Errorf("import of the first: %+v", r)
				}
			}
			if page := w.Page(t, "/readyz"); !strings.Contains(page, "redis: ok") {
				t.Errorf("readyz of the first installation:\n%s", page)
			}
			if r := second.Run(id); r.State != "queued" || r.Attempt != 0 {
				t.Errorf("run of the second installation: %+v", r)
			}
			if tt.other == "" {
				tt.other = second.EmptyRedis()
			}
			second.Redis = tt.other
			second.StartWorker()
			if r := second.AwaitRun(id); r.Attempt != 1 || r.Records != 250 {
				t.Errorf("run of the second installation, with its own Redis: %+v", r)
			}
		})
	}
}

// A running worker notices that its Redis belongs to another installation, and ends. A
// worker that only serves HTTP is not ready. If the Redis is then flushed, its original
// installation claims it again.
func TestRedisChangesHands(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "")
	in.Redis = in.PrivateRedis(devstack.RedisOptions{}).URL()
	rdb := in.ConnectRedis(in.Redis)
	in.Connect()
	w := in.StartWorker()
	in.WorkerArgs = []string{"--only", "http"}
	site := in.StartWorker()
	own := repotest.Value[string](t, in.DB, `select id::text from halosync.installation`)
	owner := func() string {
		id, _ := rdb.Get(t.Context(), key).Result() // empty if there is none
		return id
	}
	if got := owner(); got != own {
		t.Errorf("owner %q, want %q", got, own)
	}
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	in.Eventually("the installation has its Redis again", func() bool { return owner() == own })
	if r := in.ImportAll(); r.Records != 250 {
		t.Errorf("after the flush: %+v", r)
	}

	if err := rdb.Set(t.Context(), key, uuid.NewString(), 0).Err(); err != nil {
		t.Fatal(err)
	}
	if page := site.Page(t, "/readyz"); !strings.Contains(page, "redis: "+refusal) {
		t.Errorf("readyz: %s", page)
	}
	select {
	case <-w.Done:
	case <-time.After(time.Minute):
		t.Fatalf("the worker does not end:\n%s", w.Log)
	}
	if log := w.Log.String(); w.ExitCode() != 1 || !strings.Contains(log, "worker: redis: "+refusal) {
		t.Errorf("exit code %d\n%s", w.ExitCode(), log)
	}
	out, errs, _ := in.Enqueue("resync", "--connection", "halo")
	if !strings.Contains(errs, refusal) {
		t.Errorf("enqueue: %s%s", out, errs)
	}
	// The Redis is given back.
	if err := rdb.Set(t.Context(), key, own, 0).Err(); err != nil {
		t.Fatal(err)
	}
	in.WorkerArgs = nil
	again := in.StartWorker()
	in.Eventually("the waiting run has ended", func() bool {
		return repotest.Value[int](t, in.DB, `select count(*)::int from halosync.runs where finished_at is null`) == 0
	})
	again.Stop(t)
	site.Stop(t)
}
