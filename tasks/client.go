package tasks

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// queuesKey is asynq's set of queue names.
const queuesKey = "asynq:queues"

// Client requests runs and reads their state. It is safe for concurrent use.
type Client struct {
	rdb       redis.UniversalClient
	inspector *asynq.Inspector

	headers func(context.Context) map[string]string // may be nil

	script atomic.Pointer[enqueueScript] // nil before the first request
	slots  atomic.Bool                   // Redis rejects scripts whose keys span several slots
}

// Receipt is the response to a request.
type Receipt struct {
	RunID string `json:"run_id"` // 32 hex digits
	// Existing reports whether the same request was already waiting or running. If so,
	// RunID is the id of that run.
	Existing bool `json:"existing"`
}

// Open returns a client for the Redis server at redisURL; see [ParseAddress] for the
// URL format. Open does not connect; [Client.Ping] does.
func Open(redisURL string) (*Client, error) {
	address, err := ParseAddress(redisURL)
	if err != nil {
		return nil, err
	}
	return NewClient(address), nil
}

// NewClient is like [Open] but takes a parsed address.
func NewClient(address Address) *Client {
	rdb := address.Connect()
	return &Client{rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// SendHeaders sets the function that returns the headers of each task, such as the W3C
// trace context. The client calls the function headers with the context of the request. The
// server passes the headers on in [Execution].Headers and does not use them otherwise. Call
// SendHeaders before the first request.
func (c *Client) SendHeaders(headers func(context.Context) map[string]string) { c.headers = headers }

// Close closes the connections to Redis.
func (c *Client) Close() error { return c.rdb.Close() }

// Ping checks that Redis answers.
func (c *Client) Ping(ctx context.Context) error { return c.rdb.Ping(ctx).Err() }

// Import requests an import. It returns an error for invalid arguments before it
// enqueues anything. If the same request (see [Key]) is already waiting or running,
// Import returns the id of that run.
//
// If Import returns an error, the import may already be queued. It is safe to request
// it again.
func (c *Client) Import(ctx context.Context, args ImportArgs) (Receipt, error) {
	return request(ctx, c, Import(), args)
}

// Map requests a run that maps the given pairs. It follows the rules of
// [Client.Import].
func (c *Client) Map(ctx context.Context, args MapArgs) (Receipt, error) {
	return request(ctx, c, Map(), args)
}

// Unmap requests a run that unmaps the given mappings. It follows the rules of
// [Client.Import].
func (c *Client) Unmap(ctx context.Context, args UnmapArgs) (Receipt, error) {
	return request(ctx, c, Unmap(), args)
}

// Resync requests a run that reconciles a connection's mappings with Halo. It follows
// the rules of [Client.Import].
func (c *Client) Resync(ctx context.Context, args ResyncArgs) (Receipt, error) {
	return request(ctx, c, Resync(), args)
}

// Suggest requests a run that computes a connection's suggestions. It follows the rules
// of [Client.Import].
func (c *Client) Suggest(ctx context.Context, args SuggestArgs) (Receipt, error) {
	return request(ctx, c, Suggest(), args)
}

// Enqueue enqueues a run that is already in the ledger. It is safe to repeat:
//   - A task that is waiting, running or completed does not change.
//   - An archived task runs again, because its run has not ended in the ledger.
//   - A task that asynq no longer tracks runs again within two minutes.
//   - An evicted or broken task is enqueued again.
func Enqueue[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], runID string, args A) error {
	id, err := parseRunID(runID)
	if err != nil {
		return err
	}
	if err := kind.fault(); err != nil {
		return err
	}
	queue := kind.Queue(args.Canonical())
	free, _, err := repair(ctx, c.rdb, queue, id, "")
	if err == nil && !free {
		free, err = c.revive(ctx, queue, id)
	}
	if err != nil || !free {
		return err
	}
	err = enqueue(ctx, c, kind, id, args)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil // another client enqueued it first
	}
	return err
}

// Forget deletes a finished task and its result, so that the run can be enqueued again.
// It does nothing if the task does not exist or has not ended.
func (c *Client) Forget(ctx context.Context, runID string) error {
	info, err := c.lookUp(ctx, runID)
	switch {
	case errors.Is(err, ErrUnknownRun):
		return nil
	case err != nil:
		return err
	case info.State != asynq.TaskStateCompleted && info.State != asynq.TaskStateArchived:
		return nil
	}
	err = c.inspector.DeleteTask(info.Queue, info.ID)
	if errors.Is(err, asynq.ErrTaskNotFound) {
		return nil
	}
	return err
}

// enqueue writes one task. It returns [asynq.ErrTaskIDConflict] if a task with the same
// id exists.
func enqueue[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], runID string, args A) error {
	if err := kind.fault(); err != nil {
		return err
	}
	args = args.Canonical()
	payload, err := encode(args)
	if err != nil {
		return err
	}
	cmd, err := kind.prepare(ctx, c, runID, args, payload)
	if err != nil {
		return err
	}
	return c.send(ctx, cmd)
}

// revive restarts an archived task. It removes a broken task and then reports that the
// id is free.
func (c *Client) revive(ctx context.Context, queue, runID string) (free bool, err error) {
	info, err := c.find(ctx, runID, queue)
	if broken, ok := errors.AsType[*brokenError](err); ok {
		free, _, err = repair(ctx, c.rdb, queue, runID, broken.digest)
		return free, err
	}
	return false, c.runTask(ctx, info, err, asynq.TaskStateArchived)
}
