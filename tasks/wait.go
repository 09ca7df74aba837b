package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"
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
)

// Wait waits until the run has ended and returns its result, which may well
// say that the run was partial, held or cancelled. The error wraps [ErrFailed]
// with the run's last error, [ErrUnknownRun] or [ErrNoResult]; or it is ctx's
// own.
//
// Redis may be away for half a minute in between. It may also lose the run:
// the workers bring it back from the ledger, unless it had ended, and
// [ErrUnknownRun] is the answer after two minutes.
func (c *Client) Wait(ctx context.Context, runID string) (RunResult, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return RunResult{}, err
	}
	var (
		queues = queueNames()
		seen   time.Time // when Redis last answered; zero before it ever did
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
		case ctx.Err() != nil, time.Since(seen) > patience(err):
			return RunResult{}, err
		}
		if err := pause(ctx, delay); err != nil {
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
