package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// markKey is in Redis for as long as Redis keeps what it is given.
const markKey = "halosync:mark"

// Marked says whether Redis still has the mark that [Client.Mark] left there.
// Without it Redis is new, has been flushed or restarted without its data, and
// whatever was queued is gone.
func (c *Client) Marked(ctx context.Context) (bool, error) {
	n, err := c.rdb.Exists(ctx, markKey).Result()
	if err != nil {
		return false, fmt.Errorf("mark: %w", err)
	}
	return n > 0, nil
}

// Mark leaves the mark, once what Redis has lost is known to be put there again.
func (c *Client) Mark(ctx context.Context) error {
	if err := c.rdb.Set(ctx, markKey, time.Now().UTC().Format(time.RFC3339), 0).Err(); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	return nil
}

// mendScript looks at the task KEYS[1] with the id ARGV[1] and says whether its
// id is free. It mends what nothing in asynq v0.26 leads out of:
//
//   - No hash, or one without a message, while lists still hold the id: the hash
//     was evicted, or made anew by a late write of a result (its issue 1167).
//     A task enqueued on top of that would be executed twice, so the id is taken
//     out of all of KEYS[2] to KEYS[8].
//   - Active without a lease in KEYS[2], which no recoverer looks at (1051, 1144):
//     it gets one that is over.
var mendScript = redis.NewScript(`
if redis.call('HEXISTS', KEYS[1], 'msg') == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('LREM', KEYS[7], 0, ARGV[1])
  redis.call('LREM', KEYS[8], 0, ARGV[1])
  for i = 2, 6 do
    redis.call('ZREM', KEYS[i], ARGV[1])
  end
  return 1
end
if redis.call('HGET', KEYS[1], 'state') == 'active' and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('ZADD', KEYS[2], redis.call('TIME')[1] - 60, ARGV[1])
end
return 0`)

// mend brings a task that is stuck back into asynq's hands. free says that its
// id can be used.
func (c *Client) mend(ctx context.Context, queue, runID string) (free bool, err error) {
	keys := []string{"t:" + runID, "lease", "scheduled", "retry", "archived", "completed", "pending", "active"}
	for i, key := range keys {
		keys[i] = "asynq:{" + queue + "}:" + key
	}
	free, err = mendScript.Run(ctx, c.rdb, keys, runID).Bool()
	if err != nil {
		return false, fmt.Errorf("run %s: mend: %w", runID, err)
	}
	return free, nil
}

// Hurry lets a run that was put off go on at once. A run that is not waiting
// for its time is left alone.
func (c *Client) Hurry(ctx context.Context, runID string) error {
	info, err := c.lookUp(ctx, runID)
	return c.goOn(ctx, info, err, asynq.TaskStateRetry, asynq.TaskStateScheduled)
}

// goOn takes the answer of a look-up and lets the task go on if it is in one
// of the given states.
func (c *Client) goOn(ctx context.Context, info *asynq.TaskInfo, err error, from ...asynq.TaskState) error {
	switch {
	case errors.Is(err, ErrUnknownRun):
		return nil // it has ended and gone
	case err != nil:
		return err
	case !slices.Contains(from, info.State):
		return nil
	}
	err = c.inspector.RunTask(info.Queue, info.ID)
	if err == nil || errors.Is(err, asynq.ErrTaskNotFound) {
		return nil
	}
	// It went on by itself, or somebody else was quicker?
	if now, ferr := c.find(ctx, info.ID, info.Queue); ferr == nil && now.State != info.State {
		return nil
	}
	return fmt.Errorf("run %s: go on: %w", info.ID, err)
}
