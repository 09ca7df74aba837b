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
	// claimGrace is how long a claim without a task is believed: somebody is
	// between claiming and enqueueing. After that he has died.
	claimGrace = 10 * time.Second
	// claimLife is how long a claim is kept. It outlives any wait in the queue
	// that people would sit out; its task is asked for the rest.
	claimLife = 7 * 24 * time.Hour
	claimPoll = 20 * time.Millisecond
)

// request asks for a run, unless the same request is waiting or running.
//
// asynq's own Unique is of no use for that: its lock outlives an archived task
// and does not outlive a quick one, and it knows nothing of the first task's
// id. Instead a claim per request holds the run's id, and asking that run's
// task says what the claim is worth. In a cluster, whoever dies between claim
// and enqueue blocks his request for ten seconds.
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
	w, err := kind.write(ctx, c, id, args, payload)
	if err != nil {
		return Receipt{}, err
	}
	key := "halosync:request:{" + Key(kind.Name, args) + "}"
	return c.request(ctx, key, w)
}

// request writes the task, unless the claim is another run's that is alive.
func (c *Client) request(ctx context.Context, key string, w writing) (Receipt, error) {
	expired := "" // holder whose claim is worth nothing
	for {
		holder, age, err := c.enqueueClaiming(ctx, key, expired, w)
		if err != nil {
			return Receipt{}, err
		}
		if holder == w.runID {
			return Receipt{RunID: holder}, nil
		}
		state, err := c.holderState(ctx, holder, w.queue)
		switch {
		case err != nil:
			return Receipt{}, err
		case state == holderAlive:
			return Receipt{RunID: holder, Existing: true}, nil
		case state == holderEnded, age.Abs() >= claimGrace: // before its time, too: Redis' clock was set back
			expired = holder
			continue
		}
		if err := sleep.For(ctx, claimPoll); err != nil {
			return Receipt{}, fmt.Errorf("claim request: %w", err)
		}
	}
}

// enqueueClaiming queues a run that only Redis knows of, if it gets the claim.
// It lists the run for the ledger first, so that it cannot be overlooked.
func (c *Client) enqueueClaiming(ctx context.Context, key, expired string, w writing) (holder string, age time.Duration, err error) {
	if !c.slots.Load() {
		keys := append(w.keys, key, unseenKey, announceKey) // after asynq's
		args := append(w.args, w.runID, w.queue)
		if expired != "" {
			args = append(args, expired)
		}
		holder, age, err = claimed(w.runID, w.script.request.Run(ctx, c.rdb, keys, args...))
		if !redis.HasErrorPrefix(err, "CROSSSLOT") {
			return holder, age, err
		}
		c.slots.Store(true)
	}
	return c.enqueueStepwise(ctx, key, expired, w)
}

// enqueueStepwise is the same where each key has its slot: in a cluster, also
// one behind a single address. It stays well inside the claim's grace: a task
// that arrived after it could be the second one.
func (c *Client) enqueueStepwise(ctx context.Context, key, expired string, w writing) (holder string, age time.Duration, err error) {
	holder, age, err = claimed(w.runID, claimScript.Run(ctx, c.rdb, []string{key}, w.runID, expired))
	if err != nil || holder != w.runID {
		return holder, age, err
	}
	ctx, cancel := context.WithTimeout(ctx, claimGrace/2)
	defer cancel()
	if err := c.announce(ctx, w.runID); err != nil {
		return "", 0, err
	}
	if err := c.send(ctx, w); err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) { // ours, after a lost answer
		return "", 0, err
	}
	return holder, age, nil
}

// holderState says what a claim is worth.
type holderState int

const (
	holderGone  holderState = iota // no task: not yet, or not any more
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
