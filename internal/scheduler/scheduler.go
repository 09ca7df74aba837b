// Package scheduler does what the fleet of workers does by itself: it starts the resyncs
// that are due, puts runs into the queue that have no task there, seals credentials again
// after a rotation of keys, counts what operations watch, and removes old history. Any
// number of workers may do so at once.
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

// Config is what a [Scheduler] works with.
type Config struct {
	Store    *repo.Store
	Dispatch *dispatch.Dispatcher
	// Schedule is when connections without a schedule of their own are resynced; see
	// [schedule.Parse]. Default "30 4 * * *".
	Schedule string
	// Spread is the window over which the starts of different connections are spread.
	// Default none.
	Spread time.Duration
	// Keep is how long history is kept. Default: for ever.
	Keep Retention
	// Removed is called with old history that was removed, for metrics. May be nil.
	Removed func(Removed)
	Log     *zap.Logger // default: none
	// Now moves the clock of the schedule, for tests. Nil is the database's.
	Now func() time.Time
}

// Scheduler does one worker's part.
type Scheduler struct{ cfg Config }

// New returns a scheduler.
func New(cfg Config) *Scheduler {
	if cfg.Schedule == "" {
		cfg.Schedule = "30 4 * * *"
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return time.Time{} } // the database's
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	return &Scheduler{cfg: cfg}
}

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

const (
	// listenAgain is the pause before a broken LISTEN is tried again; until then the
	// ticks find what was requested.
	listenAgain = 10 * time.Second
	// listenRetry is the pause when notifications do not arrive at all.
	listenRetry = time.Hour
)

// Ticked is what one tick of the clock did.
type Ticked struct {
	Scheduled  int // resyncs started
	Missed     int // slots that had passed while no worker was up
	Dispatched int // runs put into the queue
	Late       int // active connections whose resync is overdue by 15 minutes
	Locked     int // stored credentials that this worker's key set cannot open
}

// Serve ticks every five seconds, and whenever a run is requested in SQL, until ctx ends,
// and does the jobs of the fleet beside that. observe is called after each tick; it may
// be nil.
func (s *Scheduler) Serve(ctx context.Context, observe func(Ticked)) {
	if err := s.alignSchedules(ctx); err != nil {
		s.cfg.Log.Warn("schedules not aligned", zap.Error(err))
	}
	keys := resealer{store: s.cfg.Store, log: s.cfg.Log}
	tick := func() (found bool) {
		t, err := s.Tick(ctx)
		err = errors.Join(err, keys.look(ctx, time.Now()))
		t.Locked = keys.locked
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("tick", zap.Error(err))
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
	beside.Go(func() { s.listen(ctx, ring) })
	beside.Go(func() { s.fleetJobs(ctx) })
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
func (s *Scheduler) Tick(ctx context.Context) (t Ticked, err error) {
	for {
		claimed, err := s.cfg.Store.ClaimDue(ctx, s.cfg.Now(), claimAtOnce, s.planDue)
		if err != nil {
			return t, fmt.Errorf("due resyncs: %w", err)
		}
		t.Scheduled += claimed.Started
		t.Missed += claimed.Missed
		if claimed.Connections < claimAtOnce {
			break
		}
	}
	if t.Late, err = s.cfg.Store.LateResyncs(ctx, s.cfg.Now(), schedule.LateAfter); err != nil {
		return t, err
	}
	t.Dispatched, err = s.cfg.Dispatch.All(ctx)
	return t, err
}

// planDue makes the run of a connection that is due, and its next slot. A
// schedule that does not parse (it was checked when it was set) falls back to
// a day, rather than holding up all others.
func (s *Scheduler) planDue(c repo.DueConnection, now time.Time) (repo.Slot, error) {
	slot, err := s.planSlot(c, now)
	if err != nil {
		s.cfg.Log.Error("schedule of a connection", zap.Stringer("connection", c.ID), zap.Error(err))
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

// alignSchedules plans anew what was planned by another default schedule or
// spread than this worker's.
func (s *Scheduler) alignSchedules(ctx context.Context) error {
	return s.cfg.Store.ForgetPlans(ctx, s.cfg.Schedule, s.specSuffix())
}

// listen rings whenever a run is requested in SQL, until ctx ends.
func (s *Scheduler) listen(ctx context.Context, ring func()) {
	for ctx.Err() == nil {
		err := s.cfg.Store.Listen(ctx, ring)
		if ctx.Err() != nil {
			return
		}
		s.cfg.Log.Warn("listen failed, polling", zap.Error(err))
		pause := listenAgain
		if errors.Is(err, repo.ErrNoNotifications) {
			pause = listenRetry
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// planSlot says when a connection's next resync is, and how many it has
// missed. A schedule of its own that does not parse (it was checked when it
// was set, perhaps by a program that knows more zones) gives way to the
// default, rather than letting nights pass.
func (s *Scheduler) planSlot(c repo.DueConnection, now time.Time) (repo.Slot, error) {
	spec := s.cfg.Schedule
	if c.ResyncCron != "" {
		spec = c.ResyncCron
	}
	when, err := schedule.Parse(spec)
	if err != nil && c.ResyncCron != "" {
		s.cfg.Log.Error("schedule of a connection: the default is used", zap.Stringer("connection", c.ID), zap.Error(err))
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

// specSuffix tells plans with another spread apart.
func (s *Scheduler) specSuffix() string { return schedule.SpreadMark + s.cfg.Spread.String() }
