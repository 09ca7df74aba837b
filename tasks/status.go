package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
)

// States in the queue for a run that has no result yet.
const (
	StateQueued   = "queued"
	StateRunning  = "running"
	StateRetrying = "retrying" // failed or postponed; the queue will retry it
	StateFailed   = "failed"   // also the state of a result
)

// States of a run with a result; see [RunResult].
const (
	StateSucceeded = "succeeded" // everything requested has been done
	StatePartial   = "partial"   // something could not be read or done; Error and Items say why
	StateHeld      = "held"      // nothing was changed; a person must approve the changes
	StateCancelled = "cancelled" // ended at a person's request
)

var (
	// ErrUnknownRun means that the queue does not have the run: the run was never
	// enqueued, ended more than a day ago, or was lost or damaged in Redis.
	ErrUnknownRun = errors.New("unknown run")
	// ErrFailed means that the run has failed for good.
	ErrFailed = errors.New("run failed")
	// ErrNoResult means that the run has ended but its result is not in Redis. The
	// run's record in Postgres has the result.
	ErrNoResult = errors.New("no result kept")
)

// Status is the state of a run in the queue.
type Status struct {
	RunID     string     `json:"id"`
	State     string     `json:"state"`
	Attempt   int        `json:"attempt"` // failures so far, plus one
	LastError string     `json:"last_error,omitempty"`
	Result    *RunResult `json:"result,omitempty"`
}

// Status returns the state of a run. The id may contain hyphens. The error is
// [ErrUnknownRun], [ErrNoResult] or an error from Redis.
func (c *Client) Status(ctx context.Context, runID string) (Status, error) {
	info, err := c.lookUp(ctx, runID)
	if err != nil {
		return Status{}, err
	}
	return statusOf(info)
}

func statusOf(info *asynq.TaskInfo) (Status, error) {
	s := Status{RunID: info.ID, Attempt: info.Retried + 1, LastError: info.LastErr}
	switch info.State {
	case asynq.TaskStateActive:
		s.State = StateRunning
	case asynq.TaskStateRetry:
		s.State = StateRetrying
	case asynq.TaskStateArchived:
		s.State = StateFailed
	case asynq.TaskStateCompleted:
		result := new(RunResult)
		if err := json.Unmarshal(info.Result, result); err != nil {
			return s, fmt.Errorf("run %s: %w", info.ID, ErrNoResult)
		}
		s.State, s.Result = result.State, result
	default:
		s.State = StateQueued
	}
	return s, nil
}

// lookUp finds the task of a run. The id may contain hyphens.
func (c *Client) lookUp(ctx context.Context, runID string) (*asynq.TaskInfo, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return nil, err
	}
	return c.find(ctx, id, queueNames()...)
}

// find looks for a task in each of the queues, because the id does not identify the
// task's queue. A broken task is an [ErrUnknownRun], too.
func (c *Client) find(ctx context.Context, runID string, queues ...string) (*asynq.TaskInfo, error) {
	unknown := ErrUnknownRun
	for _, queue := range queues {
		info, err := c.inspect(ctx, queue, runID)
		switch {
		case err == nil && info.ID == runID && info.Queue == queue:
			return info, nil
		case errors.Is(err, asynq.ErrTaskNotFound), errors.Is(err, asynq.ErrQueueNotFound):
			continue
		}
		// The task is broken, or Redis does not answer.
		if broken, ok := errors.AsType[*brokenError](examine(ctx, c.rdb, queue, runID)); ok {
			unknown = broken
		} else if err != nil {
			return nil, fmt.Errorf("run %s: %w", runID, err)
		}
	}
	return nil, fmt.Errorf("run %s: %w", runID, unknown)
}

// inspect looks up a task and returns early if ctx ends. Without this, asynq's lookup
// can take many seconds while Redis does not respond.
func (c *Client) inspect(ctx context.Context, queue, runID string) (*asynq.TaskInfo, error) {
	type answer struct {
		info *asynq.TaskInfo
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		info, err := c.inspector.GetTaskInfo(queue, runID)
		answers <- answer{info, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answers:
		return a.info, a.err
	}
}
