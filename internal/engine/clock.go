package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	// tickEvery is how often each worker looks for what is due.
	tickEvery = 5 * time.Second
	// lookAgain is how long after runs were found the next look is: those that
	// were requested in SQL at the same time have one notification for all, which
	// may come a moment before the last of them can be seen.
	lookAgain = 50 * time.Millisecond
	// claimAtOnce is how many connections share a transaction of the scheduler.
	claimAtOnce = 200
)

// LateAfter is how long a resync may be due before it is called late.
const LateAfter = 15 * time.Minute

// Ticked is what one tick of the clock did.
type Ticked struct {
	Scheduled  int // resyncs started
	Missed     int // slots that had passed while no worker was up
	Dispatched int // runs put into the queue
	Late       int // active connections whose resync is overdue by 15 minutes
	Locked     int // stored credentials that this worker's key set cannot open
}

// RunClock ticks every five seconds, and whenever a run is requested in SQL,
// until ctx ends, and does the fleet's upkeep beside that. Any number of workers
// may do so at once. observe is told of each tick; it may be nil.
func (e *Engine) RunClock(ctx context.Context, observe func(Ticked)) {
	if err := e.alignSchedules(ctx); err != nil {
		e.log.Warn("schedules not aligned", zap.Error(err))
	}
	keys := keyWatch{store: e.store, log: e.log}
	tick := func() (found bool) {
		t, err := e.Tick(ctx)
		err = errors.Join(err, keys.look(ctx, time.Now()))
		t.Locked = keys.locked
		if err != nil && ctx.Err() == nil {
			e.log.Warn("tick", zap.Error(err))
		}
		if observe != nil {
			observe(t)
		}
		return t.Dispatched > 0
	}
	wake := make(chan struct{}, 1)
	ring := func() {
		select {
		case wake <- struct{}{}:
		default: // it rings already
		}
	}
	clock := cron.New(cron.WithLogger(cron.DiscardLogger))
	clock.Schedule(cron.Every(tickEvery), cron.FuncJob(ring))
	clock.Start()
	var beside sync.WaitGroup
	beside.Go(func() { e.listen(ctx, ring) })
	beside.Go(func() { e.upkeep(ctx) })
	ring()
	var again <-chan time.Time
	for {
		select {
		case <-wake:
		case <-again:
		case <-ctx.Done():
			<-clock.Stop().Done()
			beside.Wait()
			return
		}
		again = nil
		if tick() {
			again = time.After(lookAgain)
		}
	}
}

// Tick starts the resyncs that are due and puts runs into the queue that have
// no task there.
func (e *Engine) Tick(ctx context.Context) (t Ticked, err error) {
	for {
		claimed, err := e.store.ClaimDue(ctx, e.now(), claimAtOnce, e.planDue)
		if err != nil {
			return t, fmt.Errorf("due resyncs: %w", err)
		}
		t.Scheduled += claimed.Started
		t.Missed += claimed.Missed
		if claimed.Connections < claimAtOnce {
			break
		}
	}
	if t.Late, err = e.store.LateResyncs(ctx, e.now(), LateAfter); err != nil {
		return t, err
	}
	t.Dispatched, err = e.dispatch(ctx)
	return t, err
}

// planDue makes the run of a connection that is due, and its next slot. A
// schedule that does not parse (it was checked when it was set) falls back to
// a day, rather than holding up all others.
func (e *Engine) planDue(c repo.DueConnection, now time.Time) (repo.Slot, error) {
	slot, err := e.planSlot(c, now)
	if err != nil {
		e.log.Error("schedule of a connection", zap.Stringer("connection", c.ID), zap.Error(err))
		slot = repo.Slot{Next: now.Add(24 * time.Hour)}
	}
	if c.NextResyncAt == nil {
		return slot, nil
	}
	run, err := waitingResync(tasks.ResyncArgs{
		Tenant: c.Tenant, ConnectionID: c.ID.String(), Scheduled: true, RequestedBy: "schedule",
	})
	slot.Run = &run
	return slot, err
}

// alignSchedules plans anew what was planned by another default schedule or
// spread than this worker's.
func (e *Engine) alignSchedules(ctx context.Context) error {
	return e.store.ForgetPlans(ctx, e.schedule, e.specSuffix())
}
