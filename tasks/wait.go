package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/internal/sleep"
)

const (
	minWait = 50 * time.Millisecond
	maxWait = time.Second
	// redisTimeout is how long Wait tolerates Redis errors after it has found the run.
	// Redis can restart or fail over within this time. Until it has found the run, Wait
	// returns any error at once, for example an error caused by a wrong address.
	redisTimeout = 30 * time.Second
	// lostTimeout is how long a known run may be missing from Redis. Within this time a
	// worker restores the run from the ledger.
	lostTimeout = 2 * time.Minute
	// newTimeout is how long a new run may be missing from Redis. A worker enqueues
	// runs from the ledger at least every 5 s.
	newTimeout = 8 * time.Second
)

// Wait waits until the run has ended and returns its result. The state of the result
// may be partial, held or cancelled. The error wraps [ErrFailed] with the run's last
// error, [ErrUnknownRun] or [ErrNoResult], or it is ctx's error.
//
// Wait tolerates up to half a minute without Redis. If Redis loses an unfinished run,
// the workers restore it from the ledger. Wait returns [ErrUnknownRun] after two
// minutes without the run, or after 8 s if Redis never had it. Within 8 s a worker
// enqueues a run that is only in the ledger.
func (c *Client) Wait(ctx context.Context, runID string) (RunResult, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return RunResult{}, err
	}
	var (
		queues = queueNames()
		seen   time.Time // when Redis last had the run; zero means never
		began  = time.Now()
	)
	for delay := minWait; ; delay = min(delay*3/2, maxWait) {
		info, err := c.find(ctx, id, queues...)
		switch {
		case err == nil:
			s, err := statusOf(info)
			if err != nil || s.Result != nil || s.State == StateFailed {
				return outcome(s, err)
			}
			queues, seen = []string{info.Queue}, time.Now()
		case errors.Is(err, ErrUnknownRun) && time.Since(began) < newTimeout && ctx.Err() == nil:
		case ctx.Err() != nil, time.Since(seen) > toleratedFor(err):
			return RunResult{}, err
		}
		if err := sleep.For(ctx, delay); err != nil {
			return RunResult{}, fmt.Errorf("run %s: %w", id, err)
		}
	}
}

// toleratedFor returns how long Wait retries a lookup that fails with err, once it has
// found the run.
func toleratedFor(err error) time.Duration {
	if errors.Is(err, ErrUnknownRun) {
		return lostTimeout
	}
	return redisTimeout
}

// outcome converts the status of a finished run to the results of Wait.
func outcome(s Status, err error) (RunResult, error) {
	switch {
	case err != nil:
		return RunResult{}, err
	case s.Result != nil:
		return *s.Result, nil
	}
	return RunResult{}, fmt.Errorf("run %s: %w: %s", s.RunID, ErrFailed, s.LastError)
}
