package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// markKey is in Redis for as long as Redis keeps what it is given.
const markKey = "halosync:mark"

// Marked says whether Redis still has the mark that this or another client
// left there, and leaves it if not. Without it Redis has been flushed, or
// restarted without its data, and whatever was queued is gone.
func (c *Client) Marked(ctx context.Context) (bool, error) {
	fresh, err := c.rdb.SetNX(ctx, markKey, time.Now().UTC().Format(time.RFC3339), 0).Result()
	if err != nil {
		return false, fmt.Errorf("mark: %w", err)
	}
	return !fresh, nil
}

// What mendScript found.
const (
	mendFine  = iota // nothing to mend
	mendStub         // removed: the id is free
	mendLease        // asynq's recoverer takes it from here
)

// mendScript looks at the task KEYS[1] with the id ARGV[1] for two states that
// nothing in asynq v0.26 leads out of, and that block the task's id: a hash
// that a late write of a result made anew, without a message in it (its issue
// 1167), and an active task without a lease in KEYS[2], which no recoverer
// looks at (1051, 1144). The latter gets one that is over.
var mendScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('HEXISTS', KEYS[1], 'msg') == 0 then
  redis.call('DEL', KEYS[1])
  return 1
end
if redis.call('HGET', KEYS[1], 'state') == 'active' and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  local now = redis.call('TIME')[1]
  redis.call('ZADD', KEYS[2], now - 60, ARGV[1])
  return 2
end
return 0`)

// mend brings a task that is stuck back into asynq's hands. free says that its
// id can be used again.
func (c *Client) mend(ctx context.Context, queue, runID string) (free bool, err error) {
	prefix := "asynq:{" + queue + "}:"
	found, err := mendScript.Run(ctx, c.rdb, []string{prefix + "t:" + runID, prefix + "lease"}, runID).Int()
	if err != nil {
		return false, fmt.Errorf("run %s: mend: %w", runID, err)
	}
	return found == mendStub, nil
}

// Hurry lets a run that was put off go on at once. A run that is not waiting
// for its time is left alone.
func (c *Client) Hurry(ctx context.Context, runID string) error {
	id, err := parseRunID(runID)
	if err != nil {
		return err
	}
	info, err := c.find(ctx, id, queueNames()...)
	switch {
	case errors.Is(err, ErrUnknownRun):
		return nil
	case err != nil:
		return err
	case info.State != asynq.TaskStateRetry && info.State != asynq.TaskStateScheduled:
		return nil
	}
	err = c.inspector.RunTask(info.Queue, id)
	if err == nil || errors.Is(err, asynq.ErrTaskNotFound) {
		return nil
	}
	// It went on by itself in between?
	if now, ferr := c.find(ctx, id, info.Queue); ferr == nil && now.State != info.State {
		return nil
	}
	return fmt.Errorf("run %s: hurry: %w", id, err)
}
