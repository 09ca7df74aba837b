package halosync_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo/repotest"
)

// What hangs rather than breaks: a transaction that somebody forgot holds what
// the clock and the dispatcher want, a mapping is not verified for a week, nobody
// counts. Each alert fires, and what the runbook says ends it.
func TestHangingNightByTheRunbook(t *testing.T) {
	t.Parallel()
	n, _, _ := deploy(t)
	n.connect()
	n.must("import", "--connection", "halo", "--all", "--wait")
	for _, w := range n.workers {
		w.stop(t)
	}
	run := repotest.Value[string](t, n.db, `select halosync.enqueue('import', tenant, id, '{"all": true}', 'test')::text from halosync.connections`)
	repotest.Exec(t, n.db, `update halosync.runs set queued_at = now() - interval '5 minutes' where id = $1::uuid`, run)
	repotest.Exec(t, n.db, `update halosync.connections set next_resync_at = now() - interval '20 minutes', verified_at = null`)
	repotest.Exec(t, n.db, `
		update halosync.mappings set state = 'unverified', last_verified_at = now() - interval '8 days'
		where id = (select id from halosync.mappings order by id limit 1)`)
	forgotten := n.forgets(`select from halosync.connections for no key update`, `select from halosync.runs where state = 'queued' for update`)
	n.countNow()
	for i := range n.workers {
		n.workers[i] = n.startWorker(n.keyset)
	}
	n.until("held", []string{"HalosyncDispatcherLag", "HalosyncResyncsLate", "HalosyncUnverifiedTooOld"}, true)
	n.types("HalosyncDispatcherLag", nil)
	n.says(n.types("HalosyncResyncsLate", nil), "halo")
	repotest.Exec(t, n.db, `select pg_terminate_backend($1)`, forgotten)
	n.eventually("what was held is done", func() bool {
		return repotest.Value[int](t, n.db, `select count(*)::int from halosync.runs where finished_at is null`) == 0 &&
			repotest.Value[int](t, n.db, `select count(*)::int from halosync.runs where kind = 'resync'`) > 0
	})
	n.types("HalosyncUnverifiedTooOld", nil, "NAME", "halo")
	n.recount(n.keyset)
	n.nothing("nobody holds anything")

	repotest.Exec(t, n.db, `update halosync.upkeep set done_at = now() - interval '2 hours', next_at = now() + interval '1 hour' where job = 'numbers'`)
	n.until("nobody counts", []string{"HalosyncCountsStale"}, true)
	n.recount(n.keyset)
	n.nothing("somebody counts")
}

// countNow lets the next worker that starts count.
func (n *night) countNow() {
	n.t.Helper()
	repotest.Exec(n.t, n.db, `update halosync.upkeep set next_at = now(), held_until = null where job = 'numbers'`)
}

// forgets begins a transaction that nobody ends, and says which one.
func (n *night) forgets(locks ...string) (pid int32) {
	n.t.Helper()
	ctx := n.t.Context()
	conn, err := pgx.Connect(ctx, n.db)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close(context.Background()) }) // which has been ended
	for _, sql := range append([]string{`begin`}, locks...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			n.t.Fatal(err)
		}
	}
	return int32(conn.PgConn().PID())
}
