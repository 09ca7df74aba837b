package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const (
	// unseenKey lists the runs that were requested through Redis alone and that
	// no worker has looked at yet, oldest first.
	unseenKey = "halosync:unseen"
	// maxUnseen bounds the list while no worker is up. A run beyond it is seen
	// when it is executed.
	maxUnseen = 100_000
)

// Unseen is a run that the ledger may not know yet.
type Unseen struct {
	RunID  string // 32 hex digits
	Kind   string // such as [KindImport]
	Tenant string
	Args   []byte // the payload: JSON of the kind's arguments, not checked
	Ended  bool   // its task is kept as a memory, and not to be executed any more
}

// announce lists a run that is about to be queued.
func (c *Client) announce(ctx context.Context, runID string) error {
	if err := c.rdb.RPush(ctx, unseenKey, runID).Err(); err != nil {
		return fmt.Errorf("announce run: %w", err)
	}
	return c.rdb.LTrim(ctx, unseenKey, -maxUnseen, -1).Err()
}

// TakeUnseen takes up to limit runs off the list of those that were requested
// through Redis alone. Runs whose task is not there are left out. Each is
// given to one caller; should he lose it, the run is seen when it is executed.
func (c *Client) TakeUnseen(ctx context.Context, limit int) ([]Unseen, error) {
	ids, err := c.rdb.LPopCount(ctx, unseenKey, limit).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("unseen runs: %w", err)
	}
	var runs []Unseen
	for i, id := range ids {
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

// putBack is for a Redis that went away in between; what it does not take is
// seen when it is executed.
func (c *Client) putBack(ctx context.Context, ids []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimGrace)
	defer cancel()
	for _, id := range ids {
		_ = c.rdb.RPush(ctx, unseenKey, id).Err()
	}
}

// Lookup reads what a run in the queue was asked for; [ErrUnknownRun] if it is
// not there.
func (c *Client) Lookup(ctx context.Context, runID string) (Unseen, error) {
	info, err := c.lookUp(ctx, runID)
	if err != nil {
		return Unseen{}, err
	}
	return Unseen{RunID: info.ID, Kind: info.Type, Tenant: payloadTenant(info.Payload), Args: info.Payload,
		Ended: info.State == asynq.TaskStateArchived || info.State == asynq.TaskStateCompleted}, nil
}
