package tasks

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// announceKey is asynq's set of queue names.
const announceKey = "asynq:queues"

// Client asks for runs and looks after them. It is safe for concurrent use.
type Client struct {
	rdb       redis.UniversalClient
	inspector *asynq.Inspector

	headers func(context.Context) map[string]string // may be nil

	script atomic.Pointer[enqueueScript] // as soon as it is known
	slots  atomic.Bool                   // Redis refuses scripts with keys of several slots
}

// Receipt is the answer to a request.
type Receipt struct {
	RunID string `json:"run_id"` // 32 hex digits
	// Existing says that the same request is waiting or running already, and
	// that RunID is its run.
	Existing bool `json:"existing"`
}

// Open makes a client for the Redis at the URL; see [ParseAddress] for its
// form. Nothing is dialled: [Client.Ping] says whether Redis answers.
func Open(redisURL string) (*Client, error) {
	address, err := ParseAddress(redisURL)
	if err != nil {
		return nil, err
	}
	return NewClient(address), nil
}

// NewClient is [Open] for an address that has been read already.
func NewClient(address Address) *Client {
	rdb := address.Connect()
	return &Client{rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// SendHeaders has each task carry what headers makes of its request's context,
// such as the W3C trace context. The worker's side gets it as
// [Execution].Headers; nothing else depends on it. Call it before the first
// request.
func (c *Client) SendHeaders(headers func(context.Context) map[string]string) { c.headers = headers }

// Close frees the connections.
func (c *Client) Close() error { return c.rdb.Close() }

// Ping asks Redis for a sign of life.
func (c *Client) Ping(ctx context.Context) error { return c.rdb.Ping(ctx).Err() }

// Import asks for an import. Wrong arguments are reported before anything is
// queued. The same request (see [Key]) while the first is waiting or running
// gets the first one's id.
//
// After an error the import may or may not have been queued; asking again is
// safe.
func (c *Client) Import(ctx context.Context, args ImportArgs) (Receipt, error) {
	return request(ctx, c, Import(), args)
}

// Map asks for pairs to be mapped, under the rules of [Client.Import].
func (c *Client) Map(ctx context.Context, args MapArgs) (Receipt, error) {
	return request(ctx, c, Map(), args)
}

// Unmap asks for mappings to be deleted, under the rules of [Client.Import].
func (c *Client) Unmap(ctx context.Context, args UnmapArgs) (Receipt, error) {
	return request(ctx, c, Unmap(), args)
}

// Resync asks for a connection's mappings to be reconciled with Halo, under
// the rules of [Client.Import].
func (c *Client) Resync(ctx context.Context, args ResyncArgs) (Receipt, error) {
	return request(ctx, c, Resync(), args)
}

// Enqueue queues a run whose id and arguments are in the ledger already. It
// may be called as often as one likes: a task that is there stays as it is,
// and a result that is kept too. An archived one is set going once more, since
// the caller's record says that its run has not ended; one that asynq has lost
// sight of comes back within two minutes; one that was evicted is made anew.
func Enqueue[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], runID string, args A) error {
	id, err := parseRunID(runID)
	if err != nil {
		return err
	}
	if err := kind.fault(); err != nil {
		return err
	}
	queue := kind.Queue(args.Canonical())
	free, err := c.mend(ctx, queue, id)
	switch {
	case err != nil:
		return err
	case !free:
		return c.revive(ctx, queue, id)
	}
	err = enqueue(ctx, c, kind, id, args)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil // somebody else was quicker
	}
	return err
}

// Forget removes a task that has ended, with its result, so that its run can
// be queued once more. A task that is not there, or has not ended, is left
// alone.
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

// enqueue writes one task. A task with that id is asynq.ErrTaskIDConflict.
func enqueue[A Args[A], R any](ctx context.Context, c *Client, kind Kind[A, R], runID string, args A) error {
	if err := kind.fault(); err != nil {
		return err
	}
	args = args.Canonical()
	payload, err := encode(args)
	if err != nil {
		return err
	}
	w, err := kind.write(ctx, c, runID, args, payload)
	if err != nil {
		return err
	}
	return c.send(ctx, w)
}

// revive sets a task going again if it is archived.
func (c *Client) revive(ctx context.Context, queue, runID string) error {
	info, err := c.find(ctx, runID, queue)
	return c.goOn(ctx, info, err, asynq.TaskStateArchived)
}
