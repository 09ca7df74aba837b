package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

// askEvery is how often an execution whose turn is over asks whether others
// wait.
const askEvery = 5 * time.Second

// turn says how long one execution of a run goes on: until the worker stops,
// until its turn is over and others wait, in any case until its slice is over.
type turn struct {
	draining <-chan struct{}
	ask      time.Time // when to ask next whether others wait
	ends     time.Time // zero: it goes on in any case, unless the worker stops
	others   func(context.Context) bool
}

// newTurn begins the turn of a claimed run.
func (e *Engine) newTurn(ref repo.RunRef, draining <-chan struct{}) *turn {
	now := time.Now()
	return &turn{
		draining: draining, ask: now.Add(e.turn), ends: now.Add(e.slice),
		others: func(ctx context.Context) bool {
			wait, err := e.store.OthersWait(ctx, ref, e.tenantRuns)
			if err != nil && ctx.Err() == nil {
				e.log.Warn("whose turn it is", zap.String("run", RunID(ref.ID)), zap.Error(err))
			}
			return wait
		},
	}
}

// stopping says whether the worker stops.
func (t *turn) stopping() bool {
	select {
	case <-t.draining:
		return true
	default:
		return false
	}
}

// over returns why an execution should end at the boundary it is at, or nil.
func (t *turn) over(ctx context.Context) error {
	if t.stopping() {
		return errDraining
	}
	now := time.Now()
	switch {
	case t.ends.IsZero(), now.Before(t.ask):
		return nil
	case now.After(t.ends):
		return errSliceOver
	}
	t.ask = now.Add(askEvery)
	if t.others(ctx) {
		return errSliceOver
	}
	return nil
}

// nextTimeout bounds the search for the runs whose turn it is.
const nextTimeout = 3 * time.Second

// next lets the runs go on that waited for one which does not run any more. If
// that fails, or the process dies on the way, their own time comes.
func (e *Engine) next(ctx context.Context, ref repo.RunRef, kind string) {
	if e.queue == nil || kind != repo.KindImport && kind != repo.KindResync {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nextTimeout)
	defer cancel()
	ids, err := e.store.NextRuns(ctx, ref, e.tenantRuns)
	if err != nil {
		e.log.Warn("whose turn is next", zap.String("run", RunID(ref.ID)), zap.Error(err))
	}
	for _, id := range ids {
		e.hurry(ctx, id)
	}
}

const (
	// busyFirst is the wait of a run that another one is in the way of, and
	// busyMost what it grows to. Both get up to a half on top, by chance. They
	// matter only if nobody hurries the run.
	busyFirst = 5 * time.Second
	busyMost  = 20 * time.Second
)

// busyWait is how long a run that was refused leaves the database alone: a
// quarter of the time that it has waited so far, from 5 to 20 s, and up to a
// half of that again (0 ≤ chance < 1), so that those who came together do not
// come together again.
func busyWait(waited time.Duration, chance float64) time.Duration {
	d := min(max(waited/4, busyFirst), busyMost)
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
