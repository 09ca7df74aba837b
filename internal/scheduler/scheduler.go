// Package scheduler runs the scheduled jobs of the workers. It starts resyncs that are
// due, enqueues runs that have no task, reseals credentials after a key rotation, exports
// security events, counts the fleet's metrics, and removes old history. Any number of
// workers may run it at the same time.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Config configures a [Scheduler].
type Config struct {
	Store    *repo.Store
	Dispatch *dispatch.Dispatcher
	// Schedule is when connections without their own schedule are resynced; see
	// [schedule.Parse]. The default is "30 4 * * *".
	Schedule string
	// Spread is the window over which the resyncs of different connections are spread.
	// The default is 0.
	Spread time.Duration
	// Keep is how long history is kept. The default is forever.
	Keep Retention
	// Removed is called after each removal of old history, for metrics. It may be nil.
	Removed func(Removed)
	// SecurityEvent is called for each security event of the installation, in one of its
	// workers. It serves the log and the metrics. It may be nil.
	SecurityEvent func(repo.SecurityEvent)
	Log           *zap.Logger // nil logs nothing
	// Now is the clock of the schedule, for tests. The default is the database's clock.
	Now func() time.Time
	// Every is the time between ticks, for tests. The default is five seconds.
	Every time.Duration
}

// Scheduler runs the scheduled jobs in one worker.
type Scheduler struct{ cfg Config }

// New returns a scheduler.
func New(cfg Config) *Scheduler {
	if cfg.Schedule == "" {
		cfg.Schedule = "30 4 * * *"
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return time.Time{} } // zero selects the database's clock
	}
	if cfg.Every == 0 {
		cfg.Every = tickEvery
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.SecurityEvent == nil {
		cfg.SecurityEvent = func(repo.SecurityEvent) {}
	}
	return &Scheduler{cfg: cfg}
}

const (
	// tickEvery is how often each worker checks for due work.
	tickEvery = 5 * time.Second
	// recheckAfter is the delay between a tick that found runs and the next tick.
	// Concurrent requests in SQL share one notification, which may arrive shortly before
	// the last of them is visible.
	recheckAfter = 50 * time.Millisecond
	// claimBatch is the number of connections in one transaction of the scheduler.
	claimBatch = 200
)

const (
	// listenRetry is the pause before a broken LISTEN is retried. In the meantime,
	// ticks find new requests.
	listenRetry = 10 * time.Second
	// noNotificationsRetry is the pause if the connection does not deliver
	// notifications.
	noNotificationsRetry = time.Hour
)

// Ticked is the result of one tick.
type Ticked struct {
	Scheduled  int // resyncs started
	Missed     int // resyncs skipped while no worker was running
	Dispatched int // runs enqueued
	Late       int // active connections whose resync is at least 15 minutes overdue
	Locked     int // stored credentials whose key is not in this worker's key set
	Err        error
}

// Serve runs the fleet jobs and ticks until ctx ends. It ticks every five seconds and
// whenever a run is requested in SQL. After each tick it calls observe, which may be nil.
func (s *Scheduler) Serve(ctx context.Context, observe func(Ticked)) {
	if err := s.alignSchedules(ctx); err != nil {
		s.cfg.Log.Warn("schedules not aligned", zap.Error(err))
	}
	keys := resealer{store: s.cfg.Store, log: s.cfg.Log}
	tick := func() (found bool) {
		t, err := s.Tick(ctx)
		err = errors.Join(err, keys.tick(ctx, time.Now()), s.exportSecurity(ctx))
		t.Locked = keys.locked
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("tick failed", zap.Error(err))
		}
		t.Err = err
		if observe != nil {
			observe(t)
		}
		return t.Dispatched > 0
	}
	wake := make(chan struct{}, 1)
	wakeUp := func() {
		select {
		case wake <- struct{}{}:
		default: // a wake-up is already pending
		}
	}
	clock := cron.New(cron.WithLogger(cron.DiscardLogger))
	clock.Schedule(cron.Every(s.cfg.Every), cron.FuncJob(wakeUp))
	clock.Start()
	var background sync.WaitGroup
	background.Go(func() { s.listen(ctx, wakeUp) })
	background.Go(func() { s.fleetJobs(ctx) })
	wakeUp()
	var again <-chan time.Time
	for {
		select {
		case <-wake:
		case <-again:
		case <-ctx.Done():
			<-clock.Stop().Done()
			background.Wait()
			return
		}
		again = nil
		if tick() {
			again = time.After(recheckAfter)
		}
	}
}

// Tick starts the resyncs that are due and enqueues runs that have no task.
func (s *Scheduler) Tick(ctx context.Context) (t Ticked, err error) {
	for {
		claimed, err := s.cfg.Store.ClaimDue(ctx, s.cfg.Now(), claimBatch, s.planDue)
		if err != nil {
			return t, fmt.Errorf("due resyncs: %w", err)
		}
		t.Scheduled += claimed.Started
		t.Missed += claimed.Missed
		if claimed.Connections < claimBatch {
			break
		}
	}
	if t.Late, err = s.cfg.Store.LateResyncs(ctx, s.cfg.Now(), schedule.LateAfter); err != nil {
		return t, err
	}
	t.Dispatched, err = s.cfg.Dispatch.All(ctx)
	return t, err
}

// planDue returns the run of a due connection and the time of its next resync. The
// schedule was checked when it was set. If it is invalid anyway, the next resync is in a
// day, so that other connections are not delayed.
func (s *Scheduler) planDue(c repo.DueConnection, now time.Time) (repo.Slot, error) {
	slot, err := s.planSlot(c, now)
	if err != nil {
		s.cfg.Log.Error("invalid schedule, next resync in a day", zap.Stringer("connection", c.ID), zap.Error(err))
		slot = repo.Slot{Next: now.Add(24 * time.Hour)}
	}
	if c.NextResyncAt == nil {
		return slot, nil
	}
	run, err := dispatch.NewRun(repo.KindResync, tasks.NewRunID(), tasks.ResyncArgs{
		Tenant: c.Tenant, ConnectionID: c.ID.String(), Scheduled: true, RequestedBy: "schedule",
	})
	run.Waiting = true
	slot.Run = &run
	return slot, err
}

// alignSchedules discards plans whose default schedule or spread differs from this
// worker's.
func (s *Scheduler) alignSchedules(ctx context.Context) error {
	return s.cfg.Store.ForgetPlans(ctx, s.cfg.Schedule, s.specSuffix())
}

// listen calls wakeUp whenever a run is requested in SQL, until ctx ends.
func (s *Scheduler) listen(ctx context.Context, wakeUp func()) {
	for ctx.Err() == nil {
		err := s.cfg.Store.Listen(ctx, wakeUp)
		if ctx.Err() != nil {
			return
		}
		s.cfg.Log.Warn("listen failed, polling", zap.Error(err))
		pause := listenRetry
		if errors.Is(err, repo.ErrNoNotifications) {
			pause = noNotificationsRetry
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// planSlot returns the time of a connection's next resync and the number of missed
// resyncs. If the connection's own schedule is invalid, planSlot uses the default. The
// schedule was checked when it was set, but possibly by a program with more time zones.
func (s *Scheduler) planSlot(c repo.DueConnection, now time.Time) (repo.Slot, error) {
	spec := s.cfg.Schedule
	if c.ResyncCron != "" {
		spec = c.ResyncCron
	}
	when, err := schedule.Parse(spec)
	if err != nil && c.ResyncCron != "" {
		s.cfg.Log.Error("invalid schedule, using the default", zap.Stringer("connection", c.ID), zap.Error(err))
		when, err = schedule.Parse(s.cfg.Schedule)
	}
	if err != nil {
		return repo.Slot{}, err
	}
	slots := schedule.Slots{Schedule: when, Connection: c.ID, Window: s.cfg.Spread}
	slot := repo.Slot{Next: slots.Next(now), Spec: spec + s.specSuffix()}
	if c.NextResyncAt != nil {
		slot.Missed = slots.Missed(*c.NextResyncAt, now)
	}
	return slot, nil
}

// specSuffix returns the suffix that records the spread in a stored plan.
func (s *Scheduler) specSuffix() string { return schedule.SpreadMark + s.cfg.Spread.String() }
