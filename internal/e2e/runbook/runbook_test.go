package runbook

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo/repotest"
)

// Postgres, Redis, Halo, a credential, a key set and a worker fail one after
// another. Each alert fires on the workers' metrics, and the commands in its
// runbook entry repair the fault.
func TestRunbookRepairsFaults(t *testing.T) {
	t.Parallel()
	f, pg, redis := newFleet(t)
	f.Connect()
	f.Must("import", "--connection", "halo", "--all", "--wait")
	f.awaitQuiet("a sound installation")
	f.breakServers(pg, redis)
	f.breakHalo()
	f.refuseRuns()
	f.throttle()
	f.refuseCredential()
	f.loseKey()
	f.Must("import", "--connection", "halo", "--all", "--wait")
	f.awaitQuiet("in the morning")
	f.stop()
}

// breakServers halts Postgres and Redis, and resumes them.
func (f *fleet) breakServers(pg *devstack.Postgres, redis *devstack.Redis) {
	f.T.Helper()
	must := func(err error) {
		f.T.Helper()
		if err != nil {
			f.T.Fatal(err)
		}
	}
	must(pg.HaltFast())
	f.diagnose("HalosyncPostgresUnreachable", "FAULT    postgres")
	must(pg.Resume(f.T.Context()))
	must(redis.Halt())
	f.diagnose("HalosyncRedisUnreachable", "FAULT    redis")
	f.awaitResolved("HalosyncPostgresUnreachable")
	must(redis.Resume(f.T.Context()))
	f.awaitQuiet("both servers are back")
}

// diagnose runs the commands in an alert's runbook entry and meanwhile waits for the alert.
// Their output must name the fault.
func (f *fleet) diagnose(alert, fault string) {
	f.T.Helper()
	var typing sync.WaitGroup
	defer typing.Wait()
	typing.Go(func() { f.wantOutput(f.follow(alert, nil), fault) })
	f.awaitAlerts(alert)
}

// breakHalo makes Halo answer every request with 503.
func (f *fleet) breakHalo() {
	f.T.Helper()
	f.Halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Status(http.StatusServiceUnavailable, "down", "Retry-After", "1"))
	run := f.Request("import", "--all")
	f.diagnose("HalosyncHaloFails", "503")
	f.Halo.ClearFaults()
	if ended := f.AwaitRun(run); ended.State != "succeeded" {
		f.T.Errorf("the run is %s after Halo's 503: %s", ended.State, ended.Error)
	}
	f.awaitQuiet("Halo is back")
}

// refuseRuns makes Halo refuse the requests of four runs. One of the runs is
// then retried.
func (f *fleet) refuseRuns() {
	f.T.Helper()
	f.Halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever}, halotest.Status(http.StatusBadRequest, `{"error":"no"}`))
	var imports sync.WaitGroup
	for _, search := range []string{"a", "e", "i", "o"} {
		imports.Go(func() {
			if _, errs, code := f.Enqueue("import", "--connection", "halo", "--search", search, "--wait"); code != 1 {
				f.T.Errorf("import of a list that Halo refuses: exit code %d, %s", code, errs)
			}
		})
	}
	imports.Wait()
	f.awaitAlerts("HalosyncRunsFail")
	f.Halo.ClearFaults()
	failed := repotest.Value[string](f.T, f.DB, `select replace(id::text, '-', '') from halosync.runs where state = 'failed' order by id limit 1`)
	f.follow("HalosyncRunsFail", nil, "RUN", failed)
	f.awaitNoRun()
	states := repotest.Value[[]string](f.T, f.DB, `select array_agg(distinct state::text order by state::text) from halosync.runs`)
	failures := repotest.Value[int](f.T, f.DB, `select count(*) from halosync.runs where state = 'failed'`)
	if failures != 4 || !slices.Equal(states, []string{"failed", "succeeded"}) {
		f.T.Errorf("%d runs have failed and the states are %q, want the four that Halo refused and a retry that succeeded", failures, states)
	}
}

// throttle makes Halo answer the requests of the runs of 18 connections with 429.
func (f *fleet) throttle() {
	f.T.Helper()
	store := f.Store()
	for i := range 17 {
		f.AddConnection(store, "msp-1", fmt.Sprint("c", i), "")
	}
	f.Halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Throttle(time.Second))
	repotest.Exec(f.T, f.DB, `select halosync.enqueue('import', tenant, id, '{"all": true}', 'test') from halosync.connections`)
	f.awaitAlerts("HalosyncThrottled")
	f.Halo.ClearFaults()
	f.follow("HalosyncThrottled", nil, "NAME", "halo")
	f.awaitNoRun()
	f.awaitQuiet("Halo no longer throttles requests")
}

// refuseCredential makes Halo refuse a credential. Meanwhile, a worker is
// killed, the deletion of old history is overdue and a queue is paused.
func (f *fleet) refuseCredential() {
	f.T.Helper()
	changed := f.Secrets.Client + "-changed"
	f.App.SetSecret(changed)
	f.App.Revoke()
	if _, errs, code := f.Enqueue("import", "--connection", "halo", "--all", "--wait"); code != 1 {
		f.T.Errorf("import with a refused credential: exit code %d, %s", code, errs)
	}
	f.workers[0].Kill()
	f.awaitAlerts("HalosyncWorkerDown")
	if out, err := f.Shell(f.dir, `redis-cli -u "$REDIS_URL" set 'asynq:{import}:paused' 1`); err != nil {
		f.T.Fatalf("pause a queue: %v\n%s", err, out)
	}
	repotest.Exec(f.T, f.DB, `update halosync.upkeep set next_at = now() - interval '7 hours', held_until = now() + case job when 'retention' then interval '1 hour' end`)
	f.follow("HalosyncWorkerDown", func() { f.workers[0] = f.StartWorker() })
	f.awaitAlerts("HalosyncConnectionNeedsReconnect", "HalosyncRetentionNotRunning", "HalosyncQueueNotMoving")
	f.wantOutput(f.follow("HalosyncRetentionNotRunning", nil), "FAULT    halo")
	repotest.Exec(f.T, f.DB, `update halosync.upkeep set held_until = null`) // the dead worker's lease has expired

	if err := os.WriteFile(filepath.Join(f.dir, "secret.txt"), []byte(changed+"\n"), 0o600); err != nil {
		f.T.Fatal(err)
	}
	some := repotest.Value[string](f.T, f.DB, `select replace(id::text, '-', '') from halosync.runs limit 1`)
	f.follow("HalosyncQueueNotMoving", nil, "RUN", some)
	f.follow("HalosyncConnectionNeedsReconnect", nil, "NAME", "halo")
	f.recount(f.Secrets.Keyset)
	f.awaitQuiet("the credential is valid")
}

// loseKey starts a worker without the newest key set.
func (f *fleet) loseKey() {
	f.T.Helper()
	right := f.Secrets.Keyset
	wrong, err := secret.New()
	if err != nil {
		f.T.Fatal(err)
	}
	f.recount(wrong)
	f.awaitAlerts("HalosyncCredentialsLocked")
	f.Secrets.Keyset = wrong // commands also use the wrong key set
	output := f.follow("HalosyncCredentialsLocked", func() {
		f.Secrets.Keyset = right
		f.recount(right)
	})
	f.wantOutput(output, "missing")
	f.wantOutput(output, "FAULT    keys")
	f.awaitQuiet("with the right key set")
}
