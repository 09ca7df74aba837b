package halosync_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Four worker processes, two hundred connections that are due at the same
// moment, two nights, in each of which workers are killed with SIGKILL and
// replaced: every connection has one run a night, and each of them ends. (Crashes
// at any point of fourteen nights are in the engine's TestOneResyncPerNight;
// here the queue has to notice them, which takes it one to two minutes.)
func TestNightsWithKilledWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: waits up to two minutes for the queue to notice crashes")
	}
	t.Parallel()
	const connections, nights = 200, 2
	s := newSite(t, fast)
	s.extraEnv = []string{"HALOSYNC_RESYNC_SPREAD=0"}
	s.connectMany(connections)
	dice := rand.New(rand.NewPCG(5, 1))
	workers := make([]*workerProcess, 4)
	for i := range workers {
		workers[i] = s.startWorker(s.keyset)
	}
	planned := `select count(*) from halosync.connections where next_resync_at > now()`
	s.eventually("all are planned", func() bool { return repotest.Value[int](t, s.db, planned) == connections })

	started := `select count(*) from halosync.runs`
	running := `select count(*) from halosync.runs where state = 'running'`
	killed := 0
	for night := 1; night <= nights; night++ {
		// Instead of the clock, the schedule is moved.
		repotest.Exec(t, s.db, `update halosync.connections set next_resync_at = now() - interval '1 second'`)
		s.eventually("the night has begun", func() bool { return repotest.Value[int](t, s.db, running) > 0 })
		for range 2 {
			i := dice.IntN(len(workers))
			workers[i].kill()
			workers[i] = s.startWorker(s.keyset)
			killed++
		}
		s.eventually("all have their run", func() bool { return repotest.Value[int](t, s.db, started) >= night*connections })
		s.eventually("all runs have ended", func() bool {
			return repotest.Value[int](t, s.db, `select count(*) from halosync.runs where finished_at is null`) == 0
		})
		if n := repotest.Value[int](t, s.db, `
			select count(*) from (
				select connection_id from halosync.runs where kind = 'resync' and state = 'succeeded'
				group by connection_id having count(*) = $1) c`, night); n != connections {
			t.Errorf("night %d: %d connections have had as many runs", night, n)
		}
	}
	if n := repotest.Value[int](t, s.db, started); n != connections*nights {
		t.Errorf("%d runs, want %d", n, connections*nights)
	}
	t.Logf("%d runs, %d workers killed, %d runs needed more than one execution", connections*nights, killed,
		repotest.Value[int](t, s.db, `select count(*) from halosync.runs where attempt > 1`))
	for _, w := range workers {
		w.stop(t)
	}
}

// connectMany adds connections of ten tenants to the site's Halo, with three
// mappings each, past the CLI, which would take a while.
func (s *site) connectMany(n int) {
	s.t.Helper()
	store := s.store()
	for id := int64(2); id <= 4; id++ {
		s.tenant.Add(halotest.Client{ID: id, Name: fmt.Sprint("Client ", id)})
	}
	for i := range n {
		conn, err := store.AddConnection(s.t.Context(), fmt.Sprint("msp-", i%10), "test", repo.NewConnection{
			Name: fmt.Sprint("c", i), Domain: s.halo.ResourceServer(), AuthServer: s.halo.AuthServer(),
			ClientID: canaryID, Secret: secret.NewString(canarySecret),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		repotest.MapClients(s.t, s.db, conn, 2, 4)
	}
}
