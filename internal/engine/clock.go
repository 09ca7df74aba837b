package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	// tickEvery is how often each worker looks for what is due.
	tickEvery = 5 * time.Second
	// claimAtOnce is how many connections share a transaction of the scheduler,
	// and dispatchAtOnce how many runs one of the dispatcher.
	claimAtOnce    = 200
	dispatchAtOnce = 500
)

// LateAfter is how long a resync may be due before it is called late.
const LateAfter = 15 * time.Minute

// Ticked is what one tick of the clock did.
type Ticked struct {
	Scheduled  int // resyncs started
	Missed     int // slots that had passed while no worker was up
	Dispatched int // runs put into the queue
	Late       int // active connections whose resync is overdue by 15 minutes
}

// RunClock ticks every five seconds until ctx ends. Any number of workers may
// do so at once. observe is told of each tick; it may be nil.
func (e *Engine) RunClock(ctx context.Context, observe func(Ticked)) {
	if err := e.alignSchedules(ctx); err != nil {
		e.log.Warn("schedules not aligned", zap.Error(err))
	}
	tick := func() {
		t, err := e.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Warn("tick", zap.Error(err))
		}
		if observe != nil {
			observe(t)
		}
	}
	tick()
	clock := cron.New(cron.WithLogger(cron.DiscardLogger),
		cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
	clock.Schedule(cron.Every(tickEvery), cron.FuncJob(tick))
	clock.Start()
	<-ctx.Done()
	<-clock.Stop().Done()
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

// dispatch puts runs into the queue that have no task there, as far as is
// known: the clock's, and those whose task a crash or a flush took away. A
// task that is there all the same stays as it is.
func (e *Engine) dispatch(ctx context.Context) (n int, err error) {
	if e.queue == nil {
		return 0, nil
	}
	for {
		runs, err := e.store.ClaimUndispatched(ctx, dispatchAtOnce)
		if err != nil {
			return n, fmt.Errorf("dispatch: %w", err)
		}
		for i, run := range runs {
			if err := e.dispatchRun(ctx, run); err != nil {
				return n, errors.Join(fmt.Errorf("dispatch: %w", err), e.giveBack(ctx, runs[i:]))
			}
			n++
		}
		if len(runs) < dispatchAtOnce {
			return n, nil
		}
	}
}

func (e *Engine) dispatchRun(ctx context.Context, run repo.Run) error {
	id := RunID(run.ID)
	if run.ApprovedAt != nil { // whose held task may still be kept
		if err := e.queue.Forget(ctx, id); err != nil {
			return err
		}
	}
	err := tasks.EnqueueStored(ctx, e.queue, taskKind(run.Kind), id, run.Args)
	if errors.Is(err, tasks.ErrArguments) {
		return e.store.RejectRun(ctx, run.Tenant, run.ID, reason(err))
	}
	return err
}

// giveBack lets the next tick try again.
func (e *Engine) giveBack(ctx context.Context, runs []repo.Run) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return e.store.Undispatch(ctx, runs)
}
