package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const (
	// unrecordedKey is the key of a list of runs, oldest first. These runs were
	// requested through Redis and are not in the ledger yet.
	unrecordedKey = "halosync:unseen"
	// maxUnrecorded is the maximum length of the list, which grows while no worker is
	// running. A run that is dropped from the list is recorded when it is executed.
	maxUnrecorded = 100_000
)

// Unrecorded is a run that may be missing from the ledger.
type Unrecorded struct {
	RunID  string // 32 hex digits
	Kind   string // for example [KindImport]
	Tenant string
	Args   []byte // the payload: the kind's arguments as JSON, not validated
	Ended  bool   // its task is archived or completed and will not be executed again
}

// listUnrecorded adds to the list a run that is about to be enqueued.
func (c *Client) listUnrecorded(ctx context.Context, runID string) error {
	if err := c.rdb.RPush(ctx, unrecordedKey, runID).Err(); err != nil {
		return fmt.Errorf("list unrecorded run: %w", err)
	}
	return c.rdb.LTrim(ctx, unrecordedKey, -maxUnrecorded, -1).Err()
}

// TakeUnrecorded removes up to limit runs from the list of unrecorded runs and returns
// the runs that have a task. Each run is returned to one caller only. If that caller
// fails, the run is recorded when it is executed.
func (c *Client) TakeUnrecorded(ctx context.Context, limit int) ([]Unrecorded, error) {
	ids, err := c.rdb.LPopCount(ctx, unrecordedKey, limit).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("unrecorded runs: %w", err)
	}
	var runs []Unrecorded
	for i, id := range ids {
		if _, err := parseRunID(id); err != nil {
			continue // not written by this package, and must not block the other runs
		}
		run, err := c.Lookup(ctx, id)
		if errors.Is(err, ErrUnknownRun) {
			continue
		}
		if err != nil {
			c.putBack(ctx, ids[i:])
			return runs, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// putBack adds runs to the list again after a Redis error. If that fails too, the runs
// are recorded when they are executed.
func (c *Client) putBack(ctx context.Context, ids []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dedupGrace)
	defer cancel()
	for _, id := range ids {
		_ = c.rdb.RPush(ctx, unrecordedKey, id).Err()
	}
}

// Lookup returns the request of a run in the queue. If the queue does not have the run,
// it returns [ErrUnknownRun].
func (c *Client) Lookup(ctx context.Context, runID string) (Unrecorded, error) {
	info, err := c.lookUp(ctx, runID)
	if err != nil {
		return Unrecorded{}, err
	}
	return Unrecorded{RunID: info.ID, Kind: info.Type, Tenant: payloadTenant(info.Payload), Args: info.Payload,
		Ended: info.State == asynq.TaskStateArchived || info.State == asynq.TaskStateCompleted}, nil
}
