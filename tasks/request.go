package tasks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
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

// claimScript gives the claim KEYS[1] to run ARGV[1], if nobody holds it or
// if ARGV[2] does. It returns the holder, and how long he has held it in
// milliseconds, by Redis' own clock.
var claimScript = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('GET', KEYS[1])
if held then
  local holder, since = string.match(held, '^(%x+) (%d+)$')
  if holder and holder ~= ARGV[2] then
    return {holder, string.format('%d', now - since)}
  end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. string.format('%d', now), 'PX', ARGV[3])
return {ARGV[1], '0'}`)

// request asks for a run, unless the same request is waiting or running.
//
// asynq's own Unique is of no use for that: its lock outlives an archived task
// and does not outlive a quick one, and it knows nothing of the first task's
// id. Instead a claim per request holds the run's id, and asking that run's
// task says what the claim is worth. Whoever dies between claim and enqueue
// blocks his request for ten seconds.
func request[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], args A) (Receipt, error) {
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return Receipt{}, err
	}
	var (
		key     = "halosync:request:{" + Key(kind.Name, args) + "}"
		id      = NewRunID()
		expired string // holder whose claim is worth nothing
	)
	for {
		holder, age, err := c.claim(ctx, key, id, expired)
		if err != nil {
			return Receipt{}, fmt.Errorf("claim request: %w", err)
		}
		if holder == id {
			return Receipt{RunID: id}, enqueueClaimed(ctx, c, kind, id, args)
		}
		state, err := c.holderState(ctx, holder, kind.Queue(args))
		switch {
		case err != nil:
			return Receipt{}, err
		case state == holderAlive:
			return Receipt{RunID: holder, Existing: true}, nil
		case state == holderEnded, age.Abs() >= claimGrace: // before its time, too: Redis' clock was set back
			expired = holder
			continue
		}
		if err := pause(ctx, claimPoll); err != nil {
			return Receipt{}, fmt.Errorf("claim request: %w", err)
		}
	}
}

// enqueueClaimed queues a run that only Redis knows of, and lists it for the
// ledger first, so that it cannot be overlooked. It stays well inside the claim's grace: a task that arrived
// after it could be the second one.
func enqueueClaimed[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], runID string, args A) error {
	ctx, cancel := context.WithTimeout(ctx, claimGrace/2)
	defer cancel()
	if err := c.announce(ctx, runID); err != nil {
		return err
	}
	return enqueue(ctx, c, kind, runID, args)
}

func (c *Client) claim(ctx context.Context, key, id, expired string) (holder string, age time.Duration, err error) {
	answer, err := claimScript.Run(ctx, c.rdb, []string{key}, id, expired, claimLife.Milliseconds()).StringSlice()
	if err != nil {
		return "", 0, err
	}
	if len(answer) != 2 {
		return "", 0, fmt.Errorf("script: %d values", len(answer))
	}
	ms, err := strconv.ParseInt(answer[1], 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("script: %w", err)
	}
	return answer[0], time.Duration(ms) * time.Millisecond, nil
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

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
