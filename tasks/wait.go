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
)

// Wait waits until the run has ended and returns its result, which may well
// say that the run was partial, held or cancelled. The error wraps [ErrFailed]
// with the run's last error, [ErrUnknownRun] or [ErrNoResult]; or it is ctx's
// own.
//
// Redis may be away for half a minute in between. A run that the queue loses
// while somebody waits is [ErrUnknownRun]; the ledger brings it back.
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
		case errors.Is(err, ErrUnknownRun), ctx.Err() != nil, time.Since(seen) > waitPatience:
			return RunResult{}, err
		}
		if err := pause(ctx, delay); err != nil {
			return RunResult{}, fmt.Errorf("run %s: %w", id, err)
		}
	}
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
