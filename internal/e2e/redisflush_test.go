package halosync_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/repo/repotest"
)

// ownRedis gives the site a Redis that nobody else uses, and a connection.
func (s *site) ownRedis() *redis.Client {
	s.t.Helper()
	server, err := devstack.StartRedis(s.t.Context(), devstack.RedisOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.closeLast(server.Close)
	s.redis = server.URL()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	s.t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// leftInQueue counts the tasks that somebody would still execute.
func leftInQueue(t *testing.T, rdb *redis.Client) (n int64) {
	t.Helper()
	for _, queue := range []string{"interactive", "import", "resync"} {
		for _, state := range []string{"pending", "active"} {
			n += rdb.LLen(context.Background(), "asynq:{"+queue+"}:"+state).Val()
		}
		for _, state := range []string{"scheduled", "retry"} {
			n += rdb.ZCard(context.Background(), "asynq:{"+queue+"}:"+state).Val()
		}
	}
	return n
}

// Redis loses everything while twenty runs are executed and some two hundred wait:
// all of them end within two minutes, and nothing is done twice.
func TestFlushAllInTheMiddle(t *testing.T) {
	t.Parallel()
	const connections, clients, tenants = 250, 3, 10
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 700 * time.Millisecond}))
	rdb := s.ownRedis()
	s.extraEnv = []string{"HALOSYNC_TENANT_RUNS=3"} // two of ten tenants would just do
	s.connectMany(connections)
	repotest.Exec(t, s.db, `delete from halosync.mappings`)
	repotest.Exec(t, s.db, `delete from halosync.companies`)
	repotest.Exec(t, s.db, `update halosync.connections set next_resync_at = now() + interval '1 day'`)
	workers := []*workerProcess{s.startWorker(s.keyset), s.startWorker(s.keyset)} // ten slots each

	repotest.Exec(t, s.db, `select halosync.enqueue('import', tenant, id, '{"all": true}', 'test') from halosync.connections`)
	count := func(where string) int {
		return repotest.Value[int](t, s.db, `select count(*)::int from halosync.runs where `+where)
	}
	var running, waiting int
	s.eventually("twenty are executed", func() bool {
		now := repotest.Value[[]int](t, s.db, `select array[count(*) filter (where state = 'running'), count(*) filter (where state = 'queued')]::int[]
			from halosync.runs`)
		running, waiting = now[0], now[1]
		return running >= 20
	})
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	flushed := time.Now()
	s.eventually("all have ended", func() bool { return count(`finished_at is null`) == 0 })
	took := time.Since(flushed)
	if took > 2*time.Minute {
		t.Errorf("the last run ended %v after the flush", took)
	}
	t.Logf("flushed with %d running and %d waiting; all ended %v later; %d were executed more than once",
		running, waiting, took.Round(time.Second/10), count(`attempt > 1`))
	if waiting < 150 {
		t.Errorf("%d were running and %d waiting: this proves little", running, waiting)
	}
	for what, n := range map[string]int{
		"runs that succeeded": count(`state = 'succeeded' and complete`) - connections,
		"companies":           repotest.Value[int](t, s.db, `select count(*)::int from halosync.companies`) - tenants*clients,
		"mappings":            repotest.Value[int](t, s.db, `select count(*)::int from halosync.mappings where state = 'ok'`) - connections*clients,
		// Whoever of a tenant comes first creates the companies, and the others
		// find them by name.
		"created, by the runs": repotest.Value[int](t, s.db, `select sum(created)::int from halosync.runs`) - tenants*clients,
		"linked, by the runs":  repotest.Value[int](t, s.db, `select sum(linked)::int from halosync.runs`) - (connections-tenants)*clients,
	} {
		if n != 0 {
			t.Errorf("%s: %+d", what, n)
		}
	}
	s.eventually("the queue is empty", func() bool { return leftInQueue(t, rdb) == 0 })
	for _, w := range workers {
		w.stop(t)
	}
}
