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
	slots  atomic.Bool                   // Redis refuses scripts with keys in several slots
}

// Receipt is the answer to a request.
type Receipt struct {
	RunID string `json:"run_id"` // 32 hex digits
	// Existing means that the same request was already waiting or running. RunID is
	// then the id of that run.
	Existing bool `json:"existing"`
}

// Open returns a client for the Redis at the URL; [ParseAddress] describes the URL's
// form. Open does not connect; [Client.Ping] does.
func Open(redisURL string) (*Client, error) {
	address, err := ParseAddress(redisURL)
	if err != nil {
		return nil, err
	}
	return NewClient(address), nil
}

// NewClient is like [Open] for a parsed address.
func NewClient(address Address) *Client {
	rdb := address.Connect()
	return &Client{rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// SendHeaders adds headers to each task, for example the W3C trace context. The
// function makes them from the context of the request. The server passes them on as
// [Execution].Headers and makes no other use of them. Call SendHeaders before the first
// request.
func (c *Client) SendHeaders(headers func(context.Context) map[string]string) { c.headers = headers }

// Close closes the connections.
func (c *Client) Close() error { return c.rdb.Close() }

// Ping checks that Redis answers.
func (c *Client) Ping(ctx context.Context) error { return c.rdb.Ping(ctx).Err() }

// Import requests an import. It reports invalid arguments before it enqueues anything.
// While the run of the same request (see [Key]) is waiting or running, Import returns
// that run's id.
//
// After an error the import may or may not be queued. It is safe to request it again.
func (c *Client) Import(ctx context.Context, args ImportArgs) (Receipt, error) {
	return request(ctx, c, Import(), args)
}

// Map requests that pairs are mapped, with the same rules as [Client.Import].
func (c *Client) Map(ctx context.Context, args MapArgs) (Receipt, error) {
	return request(ctx, c, Map(), args)
}

// Unmap requests that mappings are unmapped, with the same rules as [Client.Import].
func (c *Client) Unmap(ctx context.Context, args UnmapArgs) (Receipt, error) {
	return request(ctx, c, Unmap(), args)
}

// Resync requests that a connection's mappings are reconciled with Halo, with the same
// rules as [Client.Import].
func (c *Client) Resync(ctx context.Context, args ResyncArgs) (Receipt, error) {
	return request(ctx, c, Resync(), args)
}

// Enqueue enqueues a run that is already in the ledger. It is safe to repeat:
//   - A task that is waiting, running or completed stays as it is.
//   - An archived task runs again, because its run has not ended in the ledger.
//   - A task that asynq has lost track of comes back within two minutes.
//   - An evicted task is written again.
func Enqueue[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], runID string, args A) error {
	id, err := parseRunID(runID)
	if err != nil {
		return err
	}
	if err := kind.fault(); err != nil {
		return err
	}
	queue := kind.Queue(args.Canonical())
	free, err := c.repair(ctx, queue, id)
	switch {
	case err != nil:
		return err
	case !free:
		return c.revive(ctx, queue, id)
	}
	err = enqueue(ctx, c, kind, id, args)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil // another client enqueued it first
	}
	return err
}

// Forget deletes a task that has ended, and its result, so that the run can be enqueued
// again. It does nothing if the task is unknown or has not ended.
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

// revive makes an archived task run again.
func (c *Client) revive(ctx context.Context, queue, runID string) error {
	info, err := c.find(ctx, runID, queue)
	return c.runTask(ctx, info, err, asynq.TaskStateArchived)
}
