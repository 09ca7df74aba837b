package e2e

import (
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// Redis loses all data while twenty runs are executing and sixty are queued.
// All runs end within two minutes, and no change is made twice. The simulated Halo delays
// all lists until Redis has been flushed.
func TestFlushAllInTheMiddle(t *testing.T) {
	t.Parallel()
	const connections, clients, tenants, slots = 80, 3, 10, 20
	in := installation.New(t, installation.Unlimited)
	server := in.PrivateRedis(devstack.RedisOptions{})
	in.Redis = server.URL()
	rdb := in.ConnectRedis(in.Redis)
	in.Env = []string{"HALOSYNC_TENANT_RUNS=3"} // so that two of ten tenants can use all slots
	connectMany(in, connections)
	repotest.Exec(t, in.DB, `delete from halosync.mappings`)
	repotest.Exec(t, in.DB, `delete from halosync.companies`)
	repotest.Exec(t, in.DB, `update halosync.connections set next_resync_at = now() + interval '1 day'`)
	workers := []*installation.Worker{in.StartWorker(), in.StartWorker()} // ten slots per worker

	gate := in.Halo.Gate(halotest.Rule{Route: halotest.RouteList})
	repotest.Exec(t, in.DB, `select halosync.enqueue('import', tenant, id, '{"all": true}', 'test') from halosync.connections`)
	count := func(where string) int {
		return repotest.Value[int](t, in.DB, `select count(*)::int from halosync.runs where `+where)
	}
	in.Eventually("all slots are taken", func() bool { return gate.Held() >= slots && count(`state = 'running'`) == slots })
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	flushed := time.Now()
	gate.Open()
	in.Eventually("all have ended", func() bool { return count(`finished_at is null`) == 0 })
	took := time.Since(flushed)
	if took > 2*time.Minute {
		t.Errorf("the last run ended %v after the flush", took)
	}
	t.Logf("flushed while %d of %d runs were running; all ended %v later; %d were executed more than once",
		slots, connections, took.Round(time.Second/10), count(`attempt > 1`))
	for what, n := range map[string]int{
		"runs that succeeded": count(`state = 'succeeded' and complete`) - connections,
		"companies":           repotest.Value[int](t, in.DB, `select count(*)::int from halosync.companies`) - tenants*clients,
		"mappings":            repotest.Value[int](t, in.DB, `select count(*)::int from halosync.mappings where state = 'ok'`) - connections*clients,
		// Runs on a tenant's first connection create the companies. Runs on its
		// other connections find the companies by name.
		"created, by the runs": repotest.Value[int](t, in.DB, `select sum(created)::int from halosync.runs`) - tenants*clients,
		"linked, by the runs":  repotest.Value[int](t, in.DB, `select sum(linked)::int from halosync.runs`) - (connections-tenants)*clients,
	} {
		if n != 0 {
			t.Errorf("%s: %+d", what, n)
		}
	}
	in.Eventually("the queue is empty", func() bool { return backlog(t, rdb) == 0 })
	for _, w := range workers {
		w.Stop(t)
	}
}
