// Package dispatch brings the ledger in Postgres and the queue in Redis together: it
// records requests as runs, puts runs into the queue, and finds those that are in one of
// the two only.
package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	// batch is how many runs share a transaction of [Dispatcher.All].
	batch = 500
	// enqueueTimeout is how long a request waits for the queue. The run is in the
	// ledger by then, from where a worker takes it if this fails.
	enqueueTimeout = 5 * time.Second
	// undispatchTimeout bounds the return of runs that could not be enqueued, which
	// must happen although the caller's own context is over.
	undispatchTimeout = 10 * time.Second
	// sqlKey begins the request key of a run that was requested in SQL, where the key
	// that it has everywhere else cannot be computed.
	sqlKey = "sql:"
	// kindPrefix makes the queue's name of a kind of run.
	kindPrefix = "halo:"
)

// ErrNoQueue is the reason of a [Dispatcher] without a queue.
var ErrNoQueue = errors.New("there is no queue")

// A Dispatcher works on one ledger and one queue. It is safe for concurrent use.
type Dispatcher struct {
	store *repo.Store
	queue *tasks.Client // nil: runs stay in the ledger, from where others take them
	log   *zap.Logger
}

// New returns a dispatcher. queue and log may be nil.
func New(store *repo.Store, queue *tasks.Client, log *zap.Logger) *Dispatcher {
	if log == nil {
		log = zap.NewNop()
	}
	return &Dispatcher{store: store, queue: queue, log: log}
}

// Receipt is the answer to a request.
type Receipt struct {
	RunID string // 32 hex digits
	// Existing says that the same request is waiting or running already, and RunID is
	// its run.
	Existing bool
	// NotQueued is why the run is not in the queue yet. It waits in the ledger, and a
	// worker puts it there as soon as the queue answers.
	NotQueued error
}

// NewRun is the ledger's row of a request. kind is the ledger's word, such as
// [repo.KindImport].
func NewRun[A tasks.Args[A]](kind repo.RunKind, runID string, args A) (repo.NewRun, error) {
	id, err := uuid.Parse(runID)
	if err != nil {
		return repo.NewRun{}, fmt.Errorf("run id %q: %w", runID, err)
	}
	origin := args.Origin()
	connection, err := uuid.Parse(origin.ConnectionID)
	if err != nil {
		return repo.NewRun{}, fmt.Errorf("connection id %q: %w", origin.ConnectionID, err)
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return repo.NewRun{}, err
	}
	return repo.NewRun{
		ID: id, Kind: kind, Tenant: origin.Tenant, ConnectionID: connection,
		Args: raw, RequestKey: tasks.Key(taskKind(kind), args), RequestedBy: origin.RequestedBy,
	}, nil
}

// taskKind is the queue's name of a kind of run.
func taskKind(kind repo.RunKind) string { return kindPrefix + string(kind) }

// KindOf returns the kind of run that a task is for.
func KindOf(taskKind string) repo.RunKind {
	return repo.RunKind(strings.TrimPrefix(taskKind, kindPrefix))
}

// Reason is an error as a run's record keeps it, at most 2,000 bytes and a mark.
func Reason(err error) string {
	const maxReason = 2000
	text := err.Error()
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return text
}

// Queue puts a run of the ledger into the queue now, or leaves it to a worker if the
// queue does not answer.
func (d *Dispatcher) Queue(ctx context.Context, run repo.Run, existing bool) Receipt {
	receipt := Receipt{RunID: repo.Hex(run.ID), Existing: existing}
	if d.queue == nil {
		receipt.NotQueued = ErrNoQueue
	} else {
		bounded, cancel := context.WithTimeout(ctx, enqueueTimeout)
		defer cancel()
		receipt.NotQueued = d.one(bounded, run)
	}
	if receipt.NotQueued != nil {
		if err := d.undispatch(ctx, []repo.Run{run}); err != nil { // then it takes a minute until it is looked for
			d.log.Warn("run not undispatched", zap.String("run", receipt.RunID), zap.Error(err))
		}
	}
	return receipt
}

// All records the runs that were requested through Redis alone, and enqueues the runs
// that have no task as far as is known: those requested in SQL or by the clock, and
// those whose task a crash or a flush took away. A task that is there stays as it is. n
// is how many runs were enqueued.
func (d *Dispatcher) All(ctx context.Context) (n int, err error) {
	if d.queue == nil {
		return 0, nil
	}
	marked, err := d.queue.HasEpoch(ctx)
	if err != nil {
		return 0, fmt.Errorf("dispatch: %w", err)
	}
	if !marked {
		d.log.Warn("the queue is new or has lost its tasks: enqueuing every unfinished run")
		if err := d.store.UndispatchAll(ctx); err != nil {
			return 0, fmt.Errorf("dispatch: %w", err)
		}
		// Not before: Postgres may be away just now, and the next tick must see
		// that nothing has been done about it.
		if err := d.queue.SetEpoch(ctx); err != nil {
			return 0, fmt.Errorf("dispatch: %w", err)
		}
	}
	if err := d.recordUnseen(ctx); err != nil {
		return 0, err
	}
	for {
		runs, err := d.store.ClaimUndispatched(ctx, batch)
		if err != nil {
			return n, fmt.Errorf("dispatch: %w", err)
		}
		for i, run := range runs {
			if err := d.one(ctx, run); err != nil {
				return n, errors.Join(fmt.Errorf("dispatch: %w", err), d.undispatch(ctx, runs[i:]))
			}
			n++
		}
		if len(runs) < batch {
			return n, nil
		}
	}
}

// one enqueues a run of the ledger.
func (d *Dispatcher) one(ctx context.Context, run repo.Run) error {
	id := repo.Hex(run.ID)
	if run.ApprovedAt != nil { // whose held task may still be kept
		if err := d.queue.Forget(ctx, id); err != nil {
			return err
		}
	}
	if strings.HasPrefix(run.RequestKey, sqlKey) {
		if err := d.shareKey(ctx, run); err != nil {
			return err
		}
	}
	err := tasks.EnqueueStored(ctx, d.queue, taskKind(run.Kind), id, run.Args)
	if errors.Is(err, tasks.ErrArguments) {
		return d.store.RejectRun(ctx, run.Tenant, run.ID, Reason(err))
	}
	return err
}

// shareKey gives a run that was requested in SQL the key of the same request elsewhere,
// so that it is recognised there. Should such a request have come first, both keep their
// runs: the second finds nothing left to do.
func (d *Dispatcher) shareKey(ctx context.Context, run repo.Run) error {
	stored, err := tasks.ReadStored(taskKind(run.Kind), run.Args)
	if err != nil {
		return nil //nolint:nilerr // the arguments are judged when they are enqueued
	}
	err = d.store.SetRequestKey(ctx, run.Tenant, run.ID, stored.Key)
	if errors.Is(err, repo.ErrConflict) { // it came at this moment
		return nil
	}
	return err
}

// undispatch lets the next tick try again.
func (d *Dispatcher) undispatch(ctx context.Context, runs []repo.Run) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undispatchTimeout)
	defer cancel()
	return d.store.Undispatch(ctx, runs)
}

// recordUnseen writes the runs that were requested through Redis alone into the ledger:
// from then on nothing that happens to Redis can lose them.
func (d *Dispatcher) recordUnseen(ctx context.Context) error {
	for {
		unseen, err := d.queue.TakeUnrecorded(ctx, batch)
		for _, u := range unseen {
			if rerr := d.record(ctx, u); rerr != nil {
				// It is recorded when it is executed. Others must not wait for that.
				d.log.Warn("run not recorded", zap.String("run", u.RunID), zap.Error(rerr))
			}
		}
		if err != nil {
			return fmt.Errorf("dispatch: %w", err)
		}
		if len(unseen) == 0 {
			return nil
		}
	}
}

// record writes a run of the queue into the ledger. One whose request is running already
// under another id, or whose arguments are wrong, is left to its execution, which
// reports it.
func (d *Dispatcher) record(ctx context.Context, u tasks.Unrecorded) error {
	stored, err := tasks.ReadStored(u.Kind, u.Args)
	if errors.Is(err, tasks.ErrArguments) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := uuid.Parse(u.RunID)
	if err != nil {
		return err
	}
	connection, err := uuid.Parse(stored.ConnectionID)
	if err != nil {
		return err
	}
	_, _, err = d.store.CreateRun(ctx, repo.NewRun{
		ID: id, Kind: KindOf(u.Kind), Tenant: stored.Tenant, ConnectionID: connection,
		Args: stored.Args, RequestKey: stored.Key, RequestedBy: stored.RequestedBy,
	})
	if errors.Is(err, repo.ErrNotFound) {
		return nil // the connection; the execution reports it
	}
	return err
}

// Adopt writes a run of the tenant that only the queue has, because no worker has seen
// it yet, into the ledger. It reports whether it did.
func (d *Dispatcher) Adopt(ctx context.Context, tenant string, id uuid.UUID) bool {
	if d.queue == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	found, err := d.queue.Lookup(ctx, repo.Hex(id))
	return err == nil && !found.Ended && found.Tenant == tenant && d.record(ctx, found) == nil
}

// RunNow lets a run that waits in the queue go on at once, if the queue answers.
func (d *Dispatcher) RunNow(ctx context.Context, id uuid.UUID) {
	if d.queue == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	if err := d.queue.RunNow(ctx, repo.Hex(id)); err != nil {
		d.log.Warn("run not started early", zap.String("run", repo.Hex(id)), zap.Error(err))
	}
}
