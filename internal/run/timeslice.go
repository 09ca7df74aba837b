package run

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

// checkEvery is how often an execution that has had its minimum looks whether others
// wait.
const checkEvery = 5 * time.Second

// TimeSlice is how long one execution of a run goes on: until the worker stops, until
// its minimum is over and others wait, in any case until its maximum.
type TimeSlice struct {
	draining <-chan struct{}
	check    time.Time // when to look next whether others wait
	ends     time.Time // zero: never, unless the worker stops
	others   func(context.Context) bool
}

// newTimeSlice begins the time slice of a claimed run.
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

// Endless makes the slice end with the worker only.
func (s *TimeSlice) Endless() { s.ends = time.Time{} }

// Stopping reports whether the worker stops.
func (s *TimeSlice) Stopping() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// Over returns why an execution should end at the boundary that it has reached, or nil.
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

// wakeTimeout bounds the search for the runs that may go on.
const wakeTimeout = 3 * time.Second

// wakeWaiting starts the runs that waited for one which does not execute any more. If
// that fails, or the process dies on the way, they start at their own time.
func (e *Executor) wakeWaiting(ctx context.Context, ref repo.RunRef, kind repo.RunKind) {
	if kind != repo.KindImport && kind != repo.KindResync {
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
	// minBusyWait is the first wait of a run that another one is in the way of, and
	// maxBusyWait what it grows to. Both get up to a half on top, by chance. They
	// matter only if the run is not started early.
	minBusyWait = 5 * time.Second
	maxBusyWait = 20 * time.Second
)

// busyWait is how long a run that was refused leaves the database alone: a quarter of
// the time that it has waited so far, from 5 to 20 s, and up to a half of that on top
// (0 ≤ chance < 1), so that runs which came together do not come together again.
func busyWait(waited time.Duration, chance float64) time.Duration {
	d := min(max(waited/4, minBusyWait), maxBusyWait)
	return d + time.Duration(chance*float64(d/2))
}

// afterBusy is [busyWait] for a run that was refused.
func afterBusy(run repo.Run) time.Duration {
	var since time.Duration
	if !run.QueuedAt.IsZero() { // which is unknown of one that is not in the ledger
		since = waited(run)
	}
	return busyWait(since, rand.Float64()) //nolint:gosec // spreading retries needs no secret
}
