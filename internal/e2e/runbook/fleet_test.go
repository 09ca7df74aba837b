package runbook

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// scrapeInterval is the time between two scrapes while a test waits for an
// alert. It is much shorter than the five seconds between a worker's checks of
// its servers.
const scrapeInterval = 150 * time.Millisecond

// fleet is an installation with two workers, a watcher that evaluates the
// alerts, and the runbook.
type fleet struct {
	*installation.Installation
	alerts  *watcher
	runbook string
	dir     string // folder in which commands run
	workers [2]*installation.Worker
}

// newFleet starts private servers, which the test can break, and two workers.
// The configuration follows docs/operating.md.
func newFleet(t *testing.T) (f *fleet, pg *devstack.Postgres, redis *devstack.Redis) {
	t.Helper()
	pg = repotest.Server(t, nil) // started first, because the search for secrets at the end needs it
	in := installation.New(t, installation.Unlimited)
	redis = in.PrivateRedis(devstack.RedisOptions{})
	f = &fleet{Installation: in, alerts: newWatcher(t), dir: t.TempDir(), runbook: installation.ReadFile(t, "docs/runbook.md")}
	in.DB, in.Redis = pg.URL(), redis.URL()
	in.Env = []string{"DATABASE_URL=" + in.DB}
	if err := pg.CreateRole(t.Context(), "halosync_worker"); err != nil {
		t.Fatal(err)
	}
	in.Work(0, "migrate", "--grant-to", "halosync_worker")
	in.Env = []string{
		"DATABASE_URL=" + installation.WithPassword(t, pg.URLAs("halosync_worker", "postgres"), "halosync_worker", in.Secrets.Postgres),
		"HALOSYNC_KEEP_RUNS=7d", "HALOSYNC_TENANT_RUNS=20",
	}
	in.Tenant.Seed(20, 7)
	for i := range f.workers {
		f.workers[i] = in.StartWorker()
	}
	return f, pg, redis
}

// awaitAlerts waits until all of the given alerts are firing.
func (f *fleet) awaitAlerts(alerts ...string) {
	f.T.Helper()
	f.await(fmt.Sprintf("%v fire", alerts), func(firing []string) bool {
		return !slices.ContainsFunc(alerts, func(alert string) bool { return !slices.Contains(firing, alert) })
	})
}

// awaitResolved waits until an alert stops firing.
func (f *fleet) awaitResolved(alert string) {
	f.T.Helper()
	f.await(alert+" is resolved", func(firing []string) bool { return !slices.Contains(firing, alert) })
}

// awaitQuiet waits until no alert is firing. It discards earlier counts.
func (f *fleet) awaitQuiet(when string) {
	f.T.Helper()
	f.alerts.newWindow()
	f.await(when+": no alert fires", func(firing []string) bool { return len(firing) == 0 })
}

// await scrapes the workers until the firing alerts meet a condition.
func (f *fleet) await(what string, holds func(firing []string) bool) {
	f.T.Helper()
	defer f.logDuration(time.Now(), what)
	var scraped time.Time
	var firing []string
	defer func() {
		if f.T.Failed() {
			f.T.Logf("firing: %v", firing)
		}
	}()
	f.Eventually(what, func() bool {
		if time.Since(scraped) < scrapeInterval {
			return false
		}
		firing = f.alerts.firing(f.workers[:]...)
		scraped = time.Now()
		return holds(firing)
	})
}

func (f *fleet) logDuration(began time.Time, what string) {
	f.T.Logf("%v: %s", time.Since(began).Round(10*time.Millisecond), what)
}

var commandBlock = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// follow runs the commands in an alert's runbook entry and returns their output. Each pair
// in replacements consists of a word in the entry and its replacement. Instead of running
// the command "worker", it calls start.
func (f *fleet) follow(alert string, start func(), replacements ...string) string {
	f.T.Helper()
	_, entry, ok := strings.Cut(f.runbook, "\n## "+alert+"\n")
	if !ok {
		f.T.Errorf("the runbook has no entry %s", alert)
	}
	entry, _, _ = strings.Cut(entry, "\n## ")
	var output bytes.Buffer
	lines := 0
	defer f.logDuration(time.Now(), "typed the commands for "+alert)
	for _, block := range commandBlock.FindAllStringSubmatch(entry, -1) {
		if block[1] != "" { // SQL, which only reads
			continue
		}
		for line := range strings.Lines(block[2]) {
			lines++
			line = strings.NewReplacer(replacements...).Replace(strings.TrimSpace(line))
			if line == "worker" {
				start()
				continue
			}
			out, err := f.Shell(f.dir, line)
			if code := faultCodes[line]; err != nil && (code == 0 || !exitedWith(err, code)) {
				f.T.Errorf("%s: %s: %v\n%s", alert, line, err, out)
			}
			output.WriteString(out)
		}
	}
	if lines == 0 {
		f.T.Errorf("%s: the runbook entry has no commands", alert)
	}
	return output.String()
}

// faultCodes holds the exit codes of commands that have found a fault.
var faultCodes = map[string]int{"worker doctor": 1, "enqueue keyset status": 3}

func exitedWith(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}

// wantOutput checks that a command's output contains the given text.
func (f *fleet) wantOutput(output, text string) {
	f.T.Helper()
	if !strings.Contains(output, text) {
		f.T.Errorf("%q is not in the output:\n%s", text, output)
	}
}

// recount restarts the first worker with a key set. A worker counts mappings
// and connections when it starts, and then once a minute. For up to five
// seconds, scrapes return the values of an earlier check. It returns when the
// next scrape shows the new counts.
func (f *fleet) recount(keyset string) {
	f.T.Helper()
	f.workers[0].Stop(f.T)
	f.countAtStart()
	f.workers[0] = f.StartWorkerWith(keyset)
	f.Eventually("a worker has counted", func() bool {
		return repotest.Value[bool](f.T, f.DB, `select next_at > now() and held_until is null from halosync.upkeep where job = 'numbers'`)
	})
}

// countAtStart makes the next count due, so that a worker counts as soon as it
// starts.
func (f *fleet) countAtStart() {
	f.T.Helper()
	repotest.Exec(f.T, f.DB, `update halosync.upkeep set next_at = now(), held_until = null where job = 'numbers'`)
}

// awaitNoRun waits until every run has ended.
func (f *fleet) awaitNoRun() {
	f.T.Helper()
	defer f.logDuration(time.Now(), "all runs have ended")
	f.Eventually("all runs have ended", func() bool { return f.Unfinished() == 0 })
}

// stop ends both workers.
func (f *fleet) stop() {
	f.T.Helper()
	for _, w := range f.workers {
		w.Stop(f.T)
	}
}
