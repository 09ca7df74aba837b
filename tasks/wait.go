package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/internal/sleep"
)

const (
	firstWait = 50 * time.Millisecond
	maxWait   = time.Second
	// waitPatience is how long Redis may be away while somebody waits: a restart
	// or a failover, and not a wrong address.
	waitPatience = 30 * time.Second
	// lostPatience is how long a run may be gone from Redis after it was there:
	// the dispatcher of a worker brings it back from the ledger.
	lostPatience = 2 * time.Minute
	// newPatience is how long a run may not be in Redis yet: one of the ledger
	// is put there by a worker, within its tick of 5 s if no sooner.
	newPatience = 8 * time.Second
)

// Wait waits until the run has ended and returns its result, which may well
// say that the run was partial, held or cancelled. The error wraps [ErrFailed]
// with the run's last error, [ErrUnknownRun] or [ErrNoResult]; or it is ctx's
// own.
//
// Redis may be away for half a minute in between. It may also lose the run:
// the workers bring it back from the ledger, unless it had ended, and
// [ErrUnknownRun] is the answer after two minutes; after 8 s if Redis never had
// it, which is time for a worker to take a run from the ledger.
func (c *Client) Wait(ctx context.Context, runID string) (RunResult, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return RunResult{}, err
	}
	var (
		queues = queueNames()
		seen   time.Time // when Redis last had it; zero before it ever did
		began  = time.Now()
	)
	for delay := firstWait; ; delay = min(delay*3/2, maxWait) {
		info, err := c.find(ctx, id, queues...)
		switch {
		case err == nil:
			s, err := statusOf(info)
			if err != nil || s.Result != nil || s.State == StateFailed {
				return outcome(s, err)
			}
			queues, seen = []string{info.Queue}, time.Now()
		case errors.Is(err, ErrUnknownRun) && time.Since(began) < newPatience && ctx.Err() == nil:
		case ctx.Err() != nil, time.Since(seen) > patience(err):
			return RunResult{}, err
		}
		if err := sleep.For(ctx, delay); err != nil {
			return RunResult{}, fmt.Errorf("run %s: %w", id, err)
		}
	}
}

// patience is how long an error may last, once the run has been seen.
func patience(err error) time.Duration {
	if errors.Is(err, ErrUnknownRun) {
		return lostPatience
	}
	return waitPatience
}

// outcome is what a run that has ended gives to those who waited.
func outcome(s Status, err error) (RunResult, error) {
	switch {
	case err != nil:
		return RunResult{}, err
	case s.Result != nil:
		return *s.Result, nil
	}
	return RunResult{}, fmt.Errorf("run %s: %w: %s", s.RunID, ErrFailed, s.LastError)
}
