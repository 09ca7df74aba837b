package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/sleep"
)

const (
	// dedupGrace is how long a dedup key without a task blocks the same request,
	// because its client may be about to enqueue the task. After that time the client
	// is assumed to be dead.
	dedupGrace = 10 * time.Second
	// dedupKeep is how long Redis keeps a dedup key. It is longer than the longest wait of
	// a run in the queue. Whether the key still counts depends on the state of the task.
	dedupKeep = 7 * 24 * time.Hour
	dedupPoll = 20 * time.Millisecond
)

// request enqueues a run, unless the same request is waiting or running.
//
// asynq's Unique option is unsuitable: its lock outlives an archived task and does not
// store the id of the first task. Instead, each request has a dedup key that stores the
// run's id, and the state of that run's task decides whether the key still counts. In a
// cluster, a client that dies between storing the key and enqueueing the task blocks
// the same request for ten seconds.
func request[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], args A) (Receipt, error) {
	if err := kind.fault(); err != nil {
		return Receipt{}, err
	}
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return Receipt{}, err
	}
	payload, err := payloadOf(args)
	if err != nil {
		return Receipt{}, err
	}
	id := NewRunID()
	cmd, err := kind.prepare(ctx, c, id, args, payload)
	if err != nil {
		return Receipt{}, err
	}
	key := "halosync:request:{" + Key(kind.Name, args) + "}"
	return c.request(ctx, key, cmd)
}

// request writes the task, unless another unfinished run holds the key.
func (c *Client) request(ctx context.Context, key string, cmd enqueueCommand) (Receipt, error) {
	expired := "" // the holder whose key no longer counts
	for {
		holder, age, err := c.enqueueOnce(ctx, key, expired, cmd)
		if err != nil {
			return Receipt{}, err
		}
		if holder == cmd.runID {
			return Receipt{RunID: holder}, nil
		}
		state, err := c.holderState(ctx, holder, cmd.queue)
		switch {
		case err != nil:
			return Receipt{}, err
		case state == holderAlive:
			return Receipt{RunID: holder, Existing: true}, nil
		case state == holderEnded, age.Abs() >= dedupGrace: // age is negative if Redis' clock was set back
			expired = holder
			continue
		}
		if err := sleep.For(ctx, dedupPoll); err != nil {
			return Receipt{}, fmt.Errorf("dedup key: %w", err)
		}
	}
}

// enqueueOnce enqueues a run that is not in the ledger, if the run gets the dedup key.
// It first lists the run as unrecorded, so that a worker adds the run to the ledger.
func (c *Client) enqueueOnce(
	ctx context.Context, key, expired string, cmd enqueueCommand,
) (holder string, age time.Duration, err error) {
	if !c.slots.Load() {
		keys := append(cmd.keys, key, unrecordedKey, queuesKey) // after the keys of asynq's script
		args := append(cmd.args, cmd.runID, cmd.queue)
		if expired != "" {
			args = append(args, expired)
		}
		holder, age, err = dedupReply(cmd.runID, cmd.script.request.Run(ctx, c.rdb, keys, args...))
		if !redis.HasErrorPrefix(err, "CROSSSLOT") {
			return holder, age, err
		}
		c.slots.Store(true)
	}
	return c.enqueueStepwise(ctx, key, expired, cmd)
}

// enqueueStepwise is enqueueOnce with one command per key, for a cluster, even one with
// a single address. It takes at most half of dedupGrace, because after dedupGrace
// another client could enqueue the same request.
func (c *Client) enqueueStepwise(
	ctx context.Context, key, expired string, cmd enqueueCommand,
) (holder string, age time.Duration, err error) {
	holder, age, err = dedupReply(cmd.runID, dedupScript.Run(ctx, c.rdb, []string{key}, cmd.runID, expired))
	if err != nil || holder != cmd.runID {
		return holder, age, err
	}
	ctx, cancel := context.WithTimeout(ctx, dedupGrace/2)
	defer cancel()
	if err := c.listUnrecorded(ctx, cmd.runID); err != nil {
		return "", 0, err
	}
	if err := c.send(ctx, cmd); err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) { // repeated after a lost reply
		return "", 0, err
	}
	return holder, age, nil
}

// holderState is the state of the task of the run that holds a dedup key.
type holderState int

const (
	holderGone  holderState = iota // the task does not exist yet, or no longer exists
	holderAlive                    // waiting or running
	holderEnded
)

func (c *Client) holderState(ctx context.Context, runID, queue string) (holderState, error) {
	info, err := c.find(ctx, runID, queue)
	switch {
	case errors.Is(err, ErrUnknownRun):
		return holderGone, nil
	case err != nil:
		return holderGone, err
	case info.State == asynq.TaskStateArchived, info.State == asynq.TaskStateCompleted:
		return holderEnded, nil
	}
	return holderAlive, nil
}
