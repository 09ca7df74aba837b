package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// movableClock is a clock that tests can move.
type movableClock struct{ at atomic.Int64 }

func (c *movableClock) now() time.Time      { return time.UnixMicro(c.at.Load()).UTC() }
func (c *movableClock) set(t time.Time)     { c.at.Store(t.UnixMicro()) }
func (c *movableClock) add(d time.Duration) { c.at.Add(d.Microseconds()) }

// fleet is a group of workers that share a database and a clock that tests can move.
type fleet struct {
	*fixture
	clock   *movableClock
	workers []*enginetest.Worker
}

func newFleet(t *testing.T, workers int) *fleet {
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off}))
	f := &fleet{fixture: w, clock: &movableClock{}}
	f.clock.set(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	for range workers {
		store := repotest.Open(t, w.url)
		f.workers = append(f.workers, enginetest.New(enginetest.Config{Store: store, Allow: w.engine.Config.Allow, Spread: 30 * time.Minute, Now: f.clock.now}))
	}
	return f
}

// connections adds n connections of ten tenants, each with three mappings.
func (f *fleet) connections(n int) {
	f.t.Helper()
	plainClients(f.fixture, 3)
	for i := range n {
		conn, err := f.store.AddConnection(f.t.Context(), fmt.Sprint("t", i%10), "test", repo.NewConnection{
			Name: fmt.Sprint("c", i), Domain: f.halo.ResourceServer(), AuthServer: f.halo.AuthServer(), ClientID: testApp,
			Secret: f.input("").Secret,
		})
		if err != nil {
			f.t.Fatal(err)
		}
		repotest.MapClients(f.t, f.url, conn, 2, 4)
	}
}

// tick runs a tick on all workers at the same time. If die is set, some workers crash
// during the tick.
func (f *fleet) tick(dice *rand.Rand, die bool) {
	var all sync.WaitGroup
	for _, e := range f.workers {
		ctx, cancel := context.WithCancel(f.t.Context())
		if die && dice.IntN(2) == 0 {
			time.AfterFunc(time.Duration(dice.IntN(30_000))*time.Microsecond, cancel) // a crash at a random time
		}
		all.Go(func() {
			defer cancel()
			if _, err := e.Tick(ctx); err != nil && ctx.Err() == nil {
				f.t.Error(err)
			}
		})
	}
	all.Wait()
}

// work executes all queued runs with four workers. Some workers crash, and other
// workers take over their runs.
func (f *fleet) work(dice *rand.Rand) (killed int) {
	for {
		runs, err := f.store.ClaimUndispatched(f.t.Context(), 1000)
		if err != nil {
			f.t.Fatal(err)
		}
		var again []repo.Run
		for _, run := range runs {
			run.State = repo.StateQueued
			again = append(again, run)
		}
		if len(again) == 0 {
			return killed
		}
		var left sync.Map
		var all sync.WaitGroup
		for i, run := range again {
			dies := dice.IntN(10) == 0
			when := time.Duration(dice.IntN(20_000)*1000 + dice.IntN(2))
			all.Go(func() { f.execute(f.workers[i%len(f.workers)], run, dies, when, &left) })
			if i%8 == 7 {
				all.Wait()
			}
		}
		all.Wait()
		left.Range(func(key, _ any) bool { // like the queue after a lease has expired
			killed++
			repotest.Exec(f.t, f.url, `update halosync.runs set dispatched_at = null, not_before = null, beat_at = null where id = $1`, key)
			return true
		})
	}
}

// execute executes one resync. If dies is set, the worker crashes during the execution.
func (f *fleet) execute(e *enginetest.Worker, run repo.Run, dies bool, when time.Duration, left *sync.Map) {
	var args tasks.ResyncArgs
	if err := json.Unmarshal(run.Args, &args); err != nil {
		f.t.Error(err)
		return
	}
	if dies && when%2 == 0 { // crash right after claiming the run
		id := repo.NewRun{ID: run.ID, Kind: run.Kind, Tenant: run.Tenant, ConnectionID: run.ConnectionID, Args: run.Args, RequestKey: run.RequestKey}
		if _, err := f.store.ClaimRun(f.t.Context(), id); err != nil {
			f.t.Error(err)
		}
		left.Store(run.ID, nil)
		return
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	if dies {
		time.AfterFunc(when, cancel)
	}
	_, err := e.Resync(ctx, tasks.Job[tasks.ResyncArgs]{RunID: engine.RunID(run.ID), Args: args, Attempt: 1, Draining: make(chan struct{})})
	if err != nil {
		left.Store(run.ID, nil)
	}
}

// Each connection has one run per night, although all are due in the same minute and
// the four workers crash at random times. The long form has 200 connections and 14
// nights.
func TestOneResyncPerNight(t *testing.T) {
	t.Parallel()
	connections, nights := 30, 3
	if devstack.Long() {
		connections, nights = 200, 14
	}
	f := newFleet(t, 4)
	f.connections(connections)
	dice := rand.New(rand.NewPCG(3, 9))
	f.tick(dice, false) // plan the first night
	killed := 0
	for night := 1; night <= nights; night++ {
		f.clock.add(24 * time.Hour)
		for range 3 {
			f.tick(dice, true)
		}
		// A crashed transaction locks its connections for a short time.
		for late := 1; late > 0; {
			f.tick(dice, false)
			var err error
			if late, err = f.store.LateResyncs(t.Context(), f.clock.now(), 0); err != nil {
				t.Fatal(err)
			}
		}
		killed += f.work(dice)
		n := repotest.Value[int](t, f.url, `
			select count(*) from (
				select connection_id from halosync.runs where kind = 'resync' and state = 'succeeded'
				group by connection_id having count(*) = $1) c`, night)
		if n != connections {
			t.Fatalf("night %d: only %d connections have one run per night", night, n)
		}
	}
	if n := repotest.Value[int](t, f.url, `select count(*) from halosync.runs`); n != connections*nights {
		t.Errorf("%d runs, want %d", n, connections*nights)
	}
	if n := repotest.Value[int](t, f.url, `select sum(missed_resyncs)::int from halosync.connections`); n != 0 {
		t.Errorf("%d nights were missed", n)
	}
	t.Logf("%d runs, %d executions killed", connections*nights, killed)
	if killed == 0 {
		t.Error("no execution was killed, so the test proves little")
	}
}

// After three nights without a worker, each connection has one resync, and the other
// two are counted as missed.
func TestMissedNightsAreCaughtUpOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	f.connections(5)
	dice := rand.New(rand.NewPCG(1, 1))
	f.tick(dice, false)
	f.clock.add(72 * time.Hour)
	late, err := f.store.LateResyncs(t.Context(), f.clock.now(), schedule.LateAfter)
	if err != nil || late != 5 {
		t.Errorf("%d connections are late, %v", late, err)
	}
	f.tick(dice, false)
	f.tick(dice, false)
	runs := repotest.Value[int](t, f.url, `select count(*) from halosync.runs`)
	missed := repotest.Value[int](t, f.url, `select sum(missed_resyncs)::int from halosync.connections`)
	if runs != 5 || missed != 10 {
		t.Errorf("%d runs and %d missed nights of 5 connections", runs, missed)
	}
	// The next night starts no runs while these runs are waiting.
	f.clock.add(24 * time.Hour)
	f.tick(dice, false)
	if n := repotest.Value[int](t, f.url, `select count(*) from halosync.runs`); n != 5 {
		t.Errorf("%d runs while the first five have not ended", n)
	}
	f.work(dice)

	// A paused connection is not resynced and does not catch up later.
	conns, err := f.store.Connections(t.Context(), "t1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.engine.PauseConnection(t.Context(), "t1", "ann", conns[0].Name); err != nil {
		t.Fatal(err)
	}
	f.clock.add(24 * time.Hour)
	f.tick(dice, false)
	f.work(dice)
	if _, err := f.engine.ResumeConnection(t.Context(), "t1", "ann", conns[0].Name); err != nil {
		t.Fatal(err)
	}
	f.tick(dice, false)
	if n := repotest.Value[int](t, f.url, `select count(*) from halosync.runs where connection_id = $1`, conns[0].ID); n != 1 {
		t.Errorf("%d runs of the connection that was paused", n)
	}
}
