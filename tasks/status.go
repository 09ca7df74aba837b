package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
)

// The states of a run in the queue while it has no result. With one, the state
// is the result's own, such as succeeded or partial.
const (
	StateQueued   = "queued"
	StateRunning  = "running"
	StateRetrying = "retrying" // failed or put off; comes again by itself
	StateFailed   = "failed"
)

var (
	// ErrUnknownRun says that the queue does not know the run: it never did, or
	// it ended more than a day ago, or Redis has lost it.
	ErrUnknownRun = errors.New("unknown run")
	// ErrFailed says that the run has failed for good.
	ErrFailed = errors.New("run failed")
	// ErrNoResult says that the run has ended and that its result did not reach
	// Redis. The run's record in Postgres has it.
	ErrNoResult = errors.New("no result kept")
)

// Status is a run as the queue sees it.
type Status struct {
	RunID     string     `json:"id"`
	State     string     `json:"state"`
	Attempt   int        `json:"attempt"` // failures so far plus one; 1 is the first
	LastError string     `json:"last_error,omitempty"`
	Result    *RunResult `json:"result,omitempty"`
}

// Status looks a run up by its id, with or without hyphens. The error is
// [ErrUnknownRun] or [ErrNoResult], or Redis does not answer.
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

// lookUp finds a run's task by an id as people write it.
func (c *Client) lookUp(ctx context.Context, runID string) (*asynq.TaskInfo, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return nil, err
	}
	return c.find(ctx, id, queueNames()...)
}

// find looks for a task in the queues; the id alone does not tell its queue.
func (c *Client) find(ctx context.Context, runID string, queues ...string) (*asynq.TaskInfo, error) {
	for _, queue := range queues {
		info, err := c.inspect(ctx, queue, runID)
		switch {
		case errors.Is(err, asynq.ErrTaskNotFound), errors.Is(err, asynq.ErrQueueNotFound):
			continue
		case err != nil:
			return nil, fmt.Errorf("run %s: %w", runID, err)
		}
		return info, nil
	}
	return nil, fmt.Errorf("run %s: %w", runID, ErrUnknownRun)
}

// inspect gives asynq's look-up, which takes no context, a context: with Redis
// stalled it takes many seconds, and nobody should have to wait for that.
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
