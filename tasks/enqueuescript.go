package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// writing is how asynq writes one task: a script of its own, in one slot of a
// cluster.
type writing struct {
	queue, runID string

	script *enqueueScript
	keys   []string
	args   []any
}

// enqueueScript is asynq's, and ours with it inside.
type enqueueScript struct {
	digest, source string
	request        *redis.Script
}

// write asks asynq how it would write the task, without any word to Redis, so
// that other commands can go along in the same round trip.
func (k Kind[A, R]) write(ctx context.Context, c *Client, runID string, args A, payload []byte) (writing, error) {
	t := &taker{UniversalClient: c.rdb, writing: writing{queue: k.Queue(args), runID: runID, script: c.script.Load()}}
	task := asynq.NewTask(k.Name, payload)
	if c.headers != nil {
		task = asynq.NewTaskWithHeaders(k.Name, payload, c.headers(ctx))
	}
	_, err := asynq.NewClientFromRedisClient(t).EnqueueContext(ctx, task, k.options(runID, args)...)
	if err == nil && t.keys == nil {
		err = errors.New("this release of asynq writes tasks in a way that is not known here")
	}
	if err != nil {
		return writing{}, fmt.Errorf("enqueue: %w", err)
	}
	c.script.Store(t.script)
	return t.writing, nil
}

// taker is Redis for one call of asynq: it takes what asynq would write as
// written. Of a script that it does not know yet it wants to see the source.
type taker struct {
	redis.UniversalClient
	writing
}

// SAdd is how asynq announces a queue, once in a client's life. After a flush,
// or when somebody deleted the queue in asynqmon, its tasks would be worked but
// nobody could see them. So it is announced with each task instead.
func (t *taker) SAdd(ctx context.Context, _ string, _ ...any) *redis.IntCmd {
	return redis.NewIntCmd(ctx)
}

// EvalSha implements [redis.Scripter].
func (t *taker) EvalSha(ctx context.Context, digest string, keys []string, args ...any) *redis.Cmd {
	if t.script == nil || t.script.digest != digest {
		t.script = &enqueueScript{digest: digest}
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(redis.ErrNoScript)
		return cmd
	}
	return t.take(ctx, keys, args)
}

// Eval implements [redis.Scripter].
func (t *taker) Eval(ctx context.Context, source string, keys []string, args ...any) *redis.Cmd {
	ours := fmt.Sprintf(requestLua, len(keys), len(args), claimLife.Milliseconds(), maxUnseen, claimLua)
	t.script = &enqueueScript{t.script.digest, source, redis.NewScript("local function enqueue()\n" + source + "\nend\n" + ours)}
	return t.take(ctx, keys, args)
}

func (t *taker) take(ctx context.Context, keys []string, args []any) *redis.Cmd {
	t.keys, t.args = keys, args
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(int64(1))
	return cmd
}

// send writes the task, and announces its queue. A task with that id is
// [asynq.ErrTaskIDConflict].
func (c *Client) send(ctx context.Context, w writing) error {
	var announced *redis.IntCmd
	var written *redis.Cmd
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		announced = p.SAdd(ctx, announceKey, w.queue)
		written = p.EvalSha(ctx, w.script.digest, w.keys, w.args...)
		return nil
	})
	if err := announced.Err(); err != nil {
		return fmt.Errorf("announce queue: %w", err)
	}
	if redis.HasErrorPrefix(written.Err(), "NOSCRIPT") {
		written = c.rdb.Eval(ctx, w.script.source, w.keys, w.args...)
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
