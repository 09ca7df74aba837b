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

// epochKey is the name of a Redis key that exists as long as Redis keeps its data.
const epochKey = "halosync:mark"

// HasEpoch reports whether Redis still has the key that [Client.SetEpoch] stored. If
// not, Redis is new, was flushed, or restarted without its data, and all queued tasks
// are lost.
func (c *Client) HasEpoch(ctx context.Context) (bool, error) {
	n, err := c.rdb.Exists(ctx, epochKey).Result()
	if err != nil {
		return false, fmt.Errorf("queue epoch: %w", err)
	}
	return n > 0, nil
}

// SetEpoch stores the key that [Client.HasEpoch] checks for. Call SetEpoch once all lost
// runs have been marked to be enqueued again.
func (c *Client) SetEpoch(ctx context.Context) error {
	if err := c.rdb.Set(ctx, epochKey, time.Now().UTC().Format(time.RFC3339), 0).Err(); err != nil {
		return fmt.Errorf("queue epoch: %w", err)
	}
	return nil
}

// repairScript repairs two states of the task KEYS[1] with the id ARGV[1] from which
// asynq v0.26 never recovers. If the id is free, it returns the number of entries that it
// removed, and otherwise -1.
//
//   - Lists still hold the id, but the hash is missing or has no message. The hash was
//     evicted, or a late write of a result created it (asynq issue 1167). A new task with
//     the same id would run twice, so the script removes the id from KEYS[2] to KEYS[8].
//     The script also removes the id if the message has the digest ARGV[2], because
//     [examine] found that message to be broken.
//   - The task is active but has no lease in KEYS[2]. No recoverer finds such a task
//     (asynq issues 1051 and 1144), so the script adds an expired lease.
var repairScript = redis.NewScript(`
local msg = redis.pcall('HGET', KEYS[1], 'msg')
if type(msg) == 'table' then
  if string.sub(msg.err, 1, 9) ~= 'WRONGTYPE' then
    return msg
  end
  msg = false
end
if not msg or redis.sha1hex(msg) == ARGV[2] then
  local n = redis.call('DEL', KEYS[1])
  n = n + redis.call('LREM', KEYS[7], 0, ARGV[1])
  n = n + redis.call('LREM', KEYS[8], 0, ARGV[1])
  for i = 2, 6 do
    n = n + redis.call('ZREM', KEYS[i], ARGV[1])
  end
  return n
end
if redis.call('HGET', KEYS[1], 'state') == 'active' and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('ZADD', KEYS[2], redis.call('TIME')[1] - 60, ARGV[1])
end
return -1`)

// repair repairs a stuck task. It removes the task if the message is missing or has the
// given digest. The digest may be empty. The result free reports whether the task id is
// unused. The result removed reports whether this call removed the task.
func repair(ctx context.Context, rdb redis.UniversalClient, queue, runID, digest string) (free, removed bool, err error) {
	keys := []string{"t:" + runID, "lease", "scheduled", "retry", "archived", "completed", "pending", "active"}
	for i, key := range keys {
		keys[i] = "asynq:{" + queue + "}:" + key
	}
	n, err := repairScript.Run(ctx, rdb, keys, runID, digest).Int()
	if err != nil {
		return false, false, fmt.Errorf("run %s: repair: %w", excerpt([]byte(runID), 40), err)
	}
	return n >= 0, n > 0, nil
}

// RunNow makes a delayed run due at once. It does nothing to runs in other states.
func (c *Client) RunNow(ctx context.Context, runID string) error {
	info, err := c.lookUp(ctx, runID)
	return c.runTask(ctx, info, err, asynq.TaskStateRetry, asynq.TaskStateScheduled)
}

// runTask receives the result of a lookup and makes the task due if its state is one of
// those in from.
func (c *Client) runTask(ctx context.Context, info *asynq.TaskInfo, err error, from ...asynq.TaskState) error {
	switch {
	case errors.Is(err, ErrUnknownRun):
		return nil // the task has ended and is no longer kept
	case err != nil:
		return err
	case !slices.Contains(from, info.State):
		return nil
	}
	err = c.inspector.RunTask(info.Queue, info.ID)
	if err == nil || errors.Is(err, asynq.ErrTaskNotFound) {
		return nil
	}
	// The state may have changed in the meantime.
	if now, ferr := c.find(ctx, info.ID, info.Queue); ferr == nil && now.State != info.State {
		return nil
	}
	return fmt.Errorf("run %s: run now: %w", info.ID, err)
}
