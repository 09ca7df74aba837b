package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// Many connections are due at the same time each night. Each night, two of four
// worker processes are killed with SIGKILL and replaced. Every connection has
// one run per night, and each run ends. (The engine's TestOneResyncPerNight
// covers crashes at any point of fourteen nights. This test covers how the
// queue detects them.) The simulated Halo holds all lists while workers are
// killed. The queue takes minutes to detect a crash, so the short form
// backdates stored times instead of waiting.
func TestScheduledRunsWithKilledWorkers(t *testing.T) {
	t.Parallel()
	connections, nights := 60, 2
	if installation.Long() {
		connections = 200
	}
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"HALOSYNC_RESYNC_SPREAD=0"}
	connectMany(in, connections)
	dice := rand.New(rand.NewPCG(5, 1))
	workers := make([]*installation.Worker, 4)
	for i := range workers {
		workers[i] = in.StartWorker()
	}
	planned := `select count(*) from halosync.connections where next_resync_at > now()`
	in.Eventually("all resyncs are planned", func() bool { return repotest.Value[int](t, in.DB, planned) == connections })

	started := `select count(*) from halosync.runs`
	killed := 0
	for night := 1; night <= nights; night++ {
		gate := in.Halo.Gate(halotest.Rule{Route: halotest.RouteList})
		// Move the schedule back instead of advancing the clock.
		repotest.Exec(t, in.DB, `update halosync.connections set next_resync_at = now() - interval '1 second'`)
		in.Eventually("the night has begun", func() bool { return gate.Held() >= len(workers) })
		for range 2 {
			i := dice.IntN(len(workers))
			workers[i].Kill()
			if !installation.Long() {
				in.Leap(2 * time.Minute)
			}
			workers[i] = in.StartWorker()
			killed++
		}
		gate.Open()
		in.Eventually("every connection has its run", func() bool { return repotest.Value[int](t, in.DB, started) >= night*connections })
		in.Eventually("all runs have ended", func() bool { return in.Unfinished() == 0 })
		if n := repotest.Value[int](t, in.DB, `
			select count(*) from (
				select connection_id from halosync.runs where kind = 'resync' and state = 'succeeded'
				group by connection_id having count(*) = $1) c`, night); n != connections {
			t.Errorf("night %d: %d connections have had one run per night", night, n)
		}
	}
	if n := repotest.Value[int](t, in.DB, started); n != connections*nights {
		t.Errorf("%d runs, want %d", n, connections*nights)
	}
	again := repotest.Value[int](t, in.DB, `select count(*) from halosync.runs where attempt > 1`)
	t.Logf("%d runs, %d workers killed, %d runs needed more than one execution", connections*nights, killed, again)
	if again == 0 {
		t.Error("no killed worker was executing a run")
	}
	for _, w := range workers {
		w.Stop(t)
	}
}

// connectMany adds connections to the installation's Halo for ten tenants, and three
// mappings for each connection. It does not use the CLI, which would be too slow.
func connectMany(in *installation.Installation, n int) {
	in.T.Helper()
	store := in.Store()
	for id := int64(2); id <= 4; id++ {
		in.Tenant.Add(halotest.Client{ID: id, Name: fmt.Sprint("Client ", id)})
	}
	for i := range n {
		conn := in.AddConnection(store, fmt.Sprint("msp-", i%10), fmt.Sprint("c", i), "")
		repotest.MapClients(in.T, in.DB, conn, 2, 4)
	}
}
