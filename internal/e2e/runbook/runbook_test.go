package halosync_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// night is an installation of two workers that somebody watches who knows the
// alerts and the runbook, and nothing else.
type night struct {
	*site
	*watcher
	t       *testing.T
	dir     string // where he types
	runbook string
	workers [2]*workerProcess
}

// deploy sets up servers of its own, so that they can be broken, and two
// workers, as docs/operating.md says.
func deploy(t *testing.T) (n *night, pg *devstack.Postgres, redis *devstack.Redis) {
	t.Helper()
	pg, redis = repotest.Server(t, nil), privateRedis(t, devstack.RedisOptions{}) // which go after the search
	s := newSite(t, fast)
	n = &night{site: s, watcher: newWatcher(t), t: t, dir: t.TempDir(), runbook: readText(t, "docs/runbook.md")}
	s.db, s.redis, s.firstRedis = pg.URL(), redis.URL(), redis.URL()
	s.extraEnv = []string{"DATABASE_URL=" + s.db}
	if err := pg.CreateRole(t.Context(), "halosync_worker"); err != nil {
		t.Fatal(err)
	}
	s.work(0, "migrate", "--grant-to", "halosync_worker")
	s.extraEnv = []string{
		"DATABASE_URL=" + withPassword(t, pg.URLAs("halosync_worker", "postgres"), "halosync_worker", canaryPassword), "HALOSYNC_KEEP_RUNS=7d", "HALOSYNC_TENANT_RUNS=20",
	}
	s.tenant.Seed(20, 7)
	for i := range n.workers {
		n.workers[i] = s.startWorker(s.keyset)
	}
	return n, pg, redis
}

// until waits until these alerts fire, or do not.
func (n *night) until(what string, of []string, want bool) {
	n.t.Helper()
	var fires []string
	defer n.took(time.Now(), what)
	n.eventually(fmt.Sprintf("%s: %v fire: %v", what, of, want), func() bool {
		fires = n.fires(n.workers[:]...)
		return !slices.ContainsFunc(of, func(alert string) bool { return slices.Contains(fires, alert) != want })
	})
}

func (n *night) took(since time.Time, what string) {
	n.t.Logf("at %s, after %v: %s", time.Now().Format("05.0"), time.Since(since).Round(10*time.Millisecond), what)
}

// nothing wants no alert at all.
func (n *night) nothing(when string) {
	n.t.Helper()
	defer n.took(time.Now(), when)
	n.laterOn()
	n.eventually(when+": no alert fires", func() bool { return len(n.fires(n.workers[:]...)) == 0 })
}

// types carries out what an alert's entry in the runbook says to type, with
// these words in place of the entry's own. A line "worker" is start's. What
// was said to it is returned.
func (n *night) types(alert string, start func(), words ...string) string {
	n.t.Helper()
	_, entry, ok := strings.Cut(n.runbook, "\n## "+alert+"\n")
	if !ok {
		n.t.Errorf("no entry %s in the runbook", alert)
	}
	entry, _, _ = strings.Cut(entry, "\n## ")
	var said bytes.Buffer
	lines := 0
	defer n.took(time.Now(), "typing what helps against "+alert)
	for _, block := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(entry, -1) {
		if block[1] != "" { // SQL, to look at things with
			continue
		}
		for typed := range strings.Lines(block[2]) {
			lines++
			typed = strings.NewReplacer(words...).Replace(strings.TrimSpace(typed))
			if typed == "worker" {
				start()
				continue
			}
			out, err := n.shell(typed)
			if code := findsFaults[typed]; err != nil && (code == 0 || !exited(err, code)) {
				n.t.Errorf("%s: %s: %v\n%s", alert, typed, err, out)
			}
			said.WriteString(out)
		}
	}
	if lines == 0 {
		n.t.Errorf("%s: nothing to type", alert)
	}
	return said.String()
}

// findsFaults are the commands that look for faults, with the exit code that
// says that they found some.
var findsFaults = map[string]int{"worker doctor": 1, "enqueue keyset status": 3}

func exited(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}

// shell types one line with a worker's environment.
func (n *night) shell(line string) (string, error) {
	cmd := exec.CommandContext(n.t.Context(), "/bin/sh", "-c", line)
	cmd.Dir = n.dir
	cmd.Env = append(append(os.Environ(), n.env()...), "PATH="+kit.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	n.left.add("outputs and errors", string(out))
	return string(out), err
}

// says wants a part in what was said.
func (n *night) says(said, part string) {
	n.t.Helper()
	if !strings.Contains(said, part) {
		n.t.Errorf("%q is not in what was said:\n%s", part, said)
	}
}

// Whatever breaks of Postgres, Redis, Halo, a credential, a key set or a worker:
// its alert fires on what the workers show, and what its entry in the runbook says
// to type brings the system back.
func TestNightByTheRunbook(t *testing.T) {
	t.Parallel()
	n, pg, redis := deploy(t)
	n.connect()
	n.must("import", "--connection", "halo", "--all", "--wait")
	n.nothing("a sound installation")

	n.succeeds(pg.HaltFast)
	n.shows("HalosyncPostgresUnreachable", "FAULT    postgres")
	n.succeeds(func() error { return pg.Resume(t.Context()) })
	n.succeeds(redis.Halt)
	n.shows("HalosyncRedisUnreachable", "FAULT    redis")
	n.until("Postgres is back", []string{"HalosyncPostgresUnreachable"}, false)
	n.succeeds(func() error { return redis.Resume(t.Context()) })
	n.nothing("both are back")
	n.haloNight()
	n.credentialNight()
	n.keysetNight()
	n.must("import", "--connection", "halo", "--all", "--wait")
	n.nothing("in the morning")
	for _, w := range n.workers {
		w.stop(t)
	}
}

func (n *night) succeeds(f func() error) {
	n.t.Helper()
	if err := f(); err != nil {
		n.t.Fatal(err)
	}
}

// shows waits for an alert, and types meanwhile what its entry says, which must
// tell what is wrong.
func (n *night) shows(alert, says string) {
	n.t.Helper()
	var typing sync.WaitGroup
	defer typing.Wait()
	typing.Go(func() { n.says(n.types(alert, nil), says) })
	n.until("broken", []string{alert}, true)
}

// haloNight: Halo is down, refuses what is asked, and answers 429.
func (n *night) haloNight() {
	n.t.Helper()
	n.halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Status(http.StatusServiceUnavailable, "down", "Retry-After", "1"))
	run := decode[run](n.t, n.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	n.shows("HalosyncHaloFails", "503")
	n.halo.ClearFaults()
	n.eventually("the run ends by itself", func() bool { return n.run(run).State == "succeeded" })
	n.nothing("after Halo was down")

	n.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, Times: halotest.Forever}, halotest.Status(http.StatusBadRequest, `{"error":"no"}`))
	for i := range 4 {
		_, said, code := n.enqueue("import", "--connection", "halo", "--client", fmt.Sprint(n.tenant.IDs()[2+i]), "--wait")
		if code != 1 {
			n.t.Errorf("import of what Halo refuses: exit code %d, %s", code, said)
		}
	}
	n.until("Halo refuses", []string{"HalosyncRunsFail"}, true)
	n.halo.ClearFaults()
	failed := repotest.Value[string](n.t, n.db, `select replace(id::text, '-', '') from halosync.runs where state = 'failed' order by id limit 1`)
	n.types("HalosyncRunsFail", nil, "RUN", failed)
	n.eventually("the run was done again", func() bool {
		return repotest.Value[int](n.t, n.db, `select count(*) from halosync.runs where state = 'failed'`) == 4 &&
			repotest.Value[int](n.t, n.db, `select count(*) from halosync.runs where state not in ('failed', 'succeeded')`) == 0
	})

	n.connectAlso(17)
	n.halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Throttle(time.Second))
	repotest.Exec(n.t, n.db, `select halosync.enqueue('import', tenant, id, '{"all": true}', 'test') from halosync.connections`)
	n.until("Halo throttles", []string{"HalosyncThrottled"}, true)
	n.halo.ClearFaults()
	n.types("HalosyncThrottled", nil, "NAME", "halo")
	n.eventually("all have ended", func() bool {
		return repotest.Value[int](n.t, n.db, `select count(*) from halosync.runs where finished_at is null`) == 0
	})
	n.nothing("after Halo throttled")
}

// connectAlso adds connections of the same tenant, past the command.
func (n *night) connectAlso(more int) {
	n.t.Helper()
	store := n.store()
	for i := range more {
		_, err := store.AddConnection(n.t.Context(), "msp-1", "test", repo.NewConnection{
			Name: fmt.Sprint("c", i), Domain: n.halo.ResourceServer(), AuthServer: n.halo.AuthServer(), ClientID: canaryID, Secret: secret.NewString(canarySecret),
		})
		if err != nil {
			n.t.Fatal(err)
		}
	}
}

// credentialNight: Halo refuses a credential; and while one is at it, a worker
// is killed, the removal of old history is late and a queue is paused.
func (n *night) credentialNight() {
	n.t.Helper()
	const changed = "-changed"
	n.app.SetSecret(canarySecret + changed)
	n.app.Revoke()
	if _, said, code := n.enqueue("import", "--connection", "halo", "--all", "--wait"); code != 1 {
		n.t.Errorf("import with a refused credential: exit code %d, %s", code, said)
	}
	n.workers[0].kill()
	n.until("killed", []string{"HalosyncWorkerDown"}, true)
	if _, err := n.shell(`redis-cli -u "$REDIS_URL" set 'asynq:{import}:paused' 1`); err != nil {
		n.t.Fatal(err)
	}
	repotest.Exec(n.t, n.db, `update halosync.upkeep set next_at = now() - interval '7 hours', held_until = now() + case job when 'retention' then interval '1 hour' end`)
	n.types("HalosyncWorkerDown", func() { n.workers[0] = n.startWorker(n.keyset) })
	n.until("a credential is refused", []string{"HalosyncConnectionNeedsReconnect", "HalosyncRetentionNotRunning", "HalosyncQueueNotMoving"}, true)
	n.says(n.types("HalosyncRetentionNotRunning", nil), "FAULT    halo")
	repotest.Exec(n.t, n.db, `update halosync.upkeep set held_until = null`) // who had it is not believed in any more

	if err := os.WriteFile(filepath.Join(n.dir, "secret.txt"), []byte(canarySecret+changed+"\n"), 0o600); err != nil {
		n.t.Fatal(err)
	}
	some := repotest.Value[string](n.t, n.db, `select replace(id::text, '-', '') from halosync.runs limit 1`)
	n.types("HalosyncQueueNotMoving", nil, "RUN", some)
	n.types("HalosyncConnectionNeedsReconnect", nil, "NAME", "halo")
	n.recount(n.keyset)
	n.nothing("after the credential was refused")
}

// recount starts the first worker anew, which counts at once what it counts
// once a minute otherwise.
func (n *night) recount(keyset string) {
	n.t.Helper()
	n.workers[0].stop(n.t)
	n.countNow()
	n.workers[0] = n.startWorker(keyset)
}

// keysetNight: a worker was left out when the key set was renewed.
func (n *night) keysetNight() {
	n.t.Helper()
	right := n.keyset
	wrong, err := secret.New()
	if err != nil {
		n.t.Fatal(err)
	}
	n.recount(wrong)
	n.until("another key set", []string{"HalosyncCredentialsLocked"}, true)
	n.keyset = wrong // as that worker has it
	said := n.types("HalosyncCredentialsLocked", func() {
		n.keyset = right
		n.recount(right)
	})
	n.says(said, "missing")
	n.says(said, "FAULT    keys")
	n.nothing("with the right key set")
}
