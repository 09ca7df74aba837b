package run

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

// checkEvery is how often an execution checks for waiting runs after its minimum time.
const checkEvery = 5 * time.Second

// TimeSlice limits one execution of a run. It is over when the worker stops, when the
// minimum has passed and other runs are waiting, or when the maximum has passed.
type TimeSlice struct {
	draining <-chan struct{}
	check    time.Time // time of the next check for waiting runs
	ends     time.Time // zero if only a stopping worker ends the slice
	others   func(context.Context) bool
}

// newTimeSlice starts the time slice of a claimed run.
func newTimeSlice(e *Executor, ref repo.RunRef, draining <-chan struct{}) *TimeSlice {
	now := time.Now()
	return &TimeSlice{
		draining: draining, check: now.Add(e.cfg.MinSlice), ends: now.Add(e.cfg.MaxSlice),
		others: func(ctx context.Context) bool {
			wait, err := e.cfg.Store.OthersWait(ctx, ref, e.cfg.TenantRuns)
			if err != nil && ctx.Err() == nil {
				e.cfg.Log.Warn("search for waiting runs failed", zap.String("run", repo.Hex(ref.ID)), zap.Error(err))
			}
			return wait
		},
	}
}

// Endless makes the slice last until the worker stops.
func (s *TimeSlice) Endless() { s.ends = time.Time{} }

// Stopping reports whether the worker is stopping.
func (s *TimeSlice) Stopping() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// Over returns why the execution should end at the current batch boundary, or nil if it
// should continue.
func (s *TimeSlice) Over(ctx context.Context) error {
	if s.Stopping() {
		return ErrDraining
	}
	now := time.Now()
	switch {
	case s.ends.IsZero(), now.Before(s.check):
		return nil
	case now.After(s.ends):
		return errSliceOver
	}
	s.check = now.Add(checkEvery)
	if s.others(ctx) {
		return errSliceOver
	}
	return nil
}

// wakeTimeout limits the search for waiting runs.
const wakeTimeout = 3 * time.Second

// wakeWaiting starts the runs that were waiting for a run that is no longer executing. If
// wakeWaiting fails or the process dies, they start at their retry time.
func (e *Executor) wakeWaiting(ctx context.Context, ref repo.RunRef, kind repo.RunKind) {
	if !kind.MayBeBulk() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTimeout)
	defer cancel()
	ids, err := e.cfg.Store.NextRuns(ctx, ref, e.cfg.TenantRuns)
	if err != nil {
		e.cfg.Log.Warn("search for waiting runs failed", zap.String("run", repo.Hex(ref.ID)), zap.Error(err))
	}
	for _, id := range ids {
		e.cfg.Dispatch.RunNow(ctx, id)
	}
}

const (
	// minBusyWait and maxBusyWait bound the wait of a blocked run, not including its random
	// part. The wait has an effect only if wakeWaiting does not start the run earlier.
	minBusyWait = 5 * time.Second
	maxBusyWait = 20 * time.Second
)

// busyWait returns how long a blocked run waits before it is retried. It returns a
// quarter of the run's wait so far, but at least 5 s and at most 20 s, plus up to half
// of that (0 ≤ chance < 1). The random part spreads the retries of runs that were
// blocked together.
func busyWait(waited time.Duration, chance float64) time.Duration {
	d := min(max(waited/4, minBusyWait), maxBusyWait)
	return d + time.Duration(chance*float64(d/2))
}

// afterBusy returns the [busyWait] of a blocked run plus random jitter.
func afterBusy(run repo.Run) time.Duration {
	var since time.Duration
	if !run.QueuedAt.IsZero() { // zero for a run that is not in the ledger
		since = waited(run)
	}
	return busyWait(since, rand.Float64()) //nolint:gosec // the random part need not be secret
}
