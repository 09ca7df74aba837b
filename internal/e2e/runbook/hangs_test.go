package runbook

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo/repotest"
)

// These faults make work hang. A forgotten transaction locks rows that the
// scheduler and the dispatcher need, a mapping is not verified for a week, and
// the counts are outdated. Each alert fires, and the commands in its runbook
// entry repair the fault.
func TestRunbookRepairsHangs(t *testing.T) {
	t.Parallel()
	f, _, _ := newFleet(t)
	f.Connect()
	f.Must("import", "--connection", "halo", "--all", "--wait")
	f.stop()
	run := repotest.Value[string](t, f.DB, `select halosync.enqueue('import', tenant, id, '{"all": true}', 'test')::text from halosync.connections`)
	repotest.Exec(t, f.DB, `update halosync.runs set queued_at = now() - interval '5 minutes' where id = $1::uuid`, run)
	repotest.Exec(t, f.DB, `update halosync.connections set next_resync_at = now() - interval '20 minutes', verified_at = null`)
	repotest.Exec(t, f.DB, `
		update halosync.mappings set state = 'unverified', last_verified_at = now() - interval '8 days'
		where id = (select id from halosync.mappings order by id limit 1)`)
	forgotten := f.lockRows(`select from halosync.connections for no key update`, `select from halosync.runs where state = 'queued' for update`)
	f.countAtStart()
	for i := range f.workers {
		f.workers[i] = f.StartWorker()
	}
	f.awaitAlerts("HalosyncDispatcherLag", "HalosyncResyncsLate", "HalosyncUnverifiedTooOld")
	f.follow("HalosyncDispatcherLag", nil)
	f.wantOutput(f.follow("HalosyncResyncsLate", nil), "halo")
	repotest.Exec(t, f.DB, `select pg_terminate_backend($1)`, forgotten)
	f.awaitNoRun()
	f.Eventually("the resync is requested", func() bool {
		return repotest.Value[int](t, f.DB, `select count(*) from halosync.runs where kind = 'resync'`) > 0
	})
	f.follow("HalosyncUnverifiedTooOld", nil, "NAME", "halo")
	repotest.Exec(t, f.DB, `update halosync.upkeep set done_at = now() - interval '2 hours', next_at = now() + interval '1 hour' where job = 'numbers'`)
	f.awaitAlerts("HalosyncCountsStale")
	f.recount(f.Secrets.Keyset)
	f.awaitQuiet("no row is locked, and the counts are current")
	f.stop()
}

// lockRows begins a transaction that locks rows and leaves it open. It returns
// the process id of its backend.
func (f *fleet) lockRows(locks ...string) (pid int32) {
	f.T.Helper()
	ctx := f.T.Context()
	conn, err := pgx.Connect(ctx, f.DB)
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(func() { _ = conn.Close(context.Background()) }) // the test has terminated it
	for _, sql := range append([]string{`begin`}, locks...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			f.T.Fatal(err)
		}
	}
	return int32(conn.PgConn().PID())
}
