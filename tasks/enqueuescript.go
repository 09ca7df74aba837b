package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// enqueueCommand is the command with which asynq writes one task. It calls a script
// whose keys are all in one slot of a cluster.
type enqueueCommand struct {
	queue, runID string

	script *enqueueScript
	keys   []string
	args   []any
}

// enqueueScript holds asynq's script, both alone and wrapped in requestLua.
type enqueueScript struct {
	digest, source string
	request        *redis.Script
}

// prepare returns the command that asynq would send for a task, without sending it, so
// that other commands can share its round trip.
func (k Kind[A, R]) prepare(ctx context.Context, c *Client, runID string, args A, payload []byte) (enqueueCommand, error) {
	capture := &captureRedis{
		UniversalClient: c.rdb,
		enqueueCommand:  enqueueCommand{queue: k.Queue(args), runID: runID, script: c.script.Load()},
	}
	task := asynq.NewTask(k.Name, payload)
	if c.headers != nil {
		task = asynq.NewTaskWithHeaders(k.Name, payload, c.headers(ctx))
	}
	_, err := asynq.NewClientFromRedisClient(capture).EnqueueContext(ctx, task, k.options(runID, args)...)
	if err == nil && capture.keys == nil {
		err = errors.New("this release of asynq writes tasks in an unknown way")
	}
	if err != nil {
		return enqueueCommand{}, fmt.Errorf("enqueue: %w", err)
	}
	c.script.Store(capture.script)
	return capture.enqueueCommand, nil
}

// captureRedis is the Redis client for one call of asynq. It keeps the command and
// reports success. Until it has seen the script, it makes asynq send the script's source.
type captureRedis struct {
	redis.UniversalClient
	enqueueCommand
}

// SAdd ignores asynq's registration of a queue, which asynq sends only once per client.
// If someone flushes Redis or deletes the queue in asynqmon, later tasks would run but
// remain invisible. Therefore [Client.send] and requestLua register the queue with each
// task.
func (r *captureRedis) SAdd(ctx context.Context, _ string, _ ...any) *redis.IntCmd {
	return redis.NewIntCmd(ctx)
}

// EvalSha implements [redis.Scripter].
func (r *captureRedis) EvalSha(ctx context.Context, digest string, keys []string, args ...any) *redis.Cmd {
	if r.script == nil || r.script.digest != digest {
		r.script = &enqueueScript{digest: digest}
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(redis.ErrNoScript)
		return cmd
	}
	return r.capture(ctx, keys, args)
}

// Eval implements [redis.Scripter].
func (r *captureRedis) Eval(ctx context.Context, source string, keys []string, args ...any) *redis.Cmd {
	ours := fmt.Sprintf(requestLua, len(keys), len(args), dedupKeep.Milliseconds(), maxUnrecorded, dedupLua)
	r.script = &enqueueScript{r.script.digest, source, redis.NewScript("local function enqueue()\n" + source + "\nend\n" + ours)}
	return r.capture(ctx, keys, args)
}

func (r *captureRedis) capture(ctx context.Context, keys []string, args []any) *redis.Cmd {
	r.keys, r.args = keys, args
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(int64(1))
	return cmd
}

// send writes the task and registers its queue. It returns [asynq.ErrTaskIDConflict] if
// a task with the same id already exists.
func (c *Client) send(ctx context.Context, cmd enqueueCommand) error {
	var registered *redis.IntCmd
	var written *redis.Cmd
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // each command reports its own error
		registered = p.SAdd(ctx, queuesKey, cmd.queue)
		written = p.EvalSha(ctx, cmd.script.digest, cmd.keys, cmd.args...)
		return nil
	})
	if err := registered.Err(); err != nil {
		return fmt.Errorf("register queue: %w", err)
	}
	if redis.HasErrorPrefix(written.Err(), "NOSCRIPT") {
		written = c.rdb.Eval(ctx, cmd.script.source, cmd.keys, cmd.args...)
	}
	n, err := written.Int()
	if err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("enqueue: %w", asynq.ErrTaskIDConflict)
	}
	return nil
}
