// Package dispatch keeps the ledger in Postgres and the queue in Redis consistent. It
// records requests as runs, enqueues runs, and finds runs that are missing from either.
package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	// batch is the number of runs in one transaction of [Dispatcher.All].
	batch = 500
	// enqueueTimeout limits how long a request waits for the queue. The run is already
	// in the ledger, so a worker enqueues it after a timeout.
	enqueueTimeout = 5 * time.Second
	// undispatchTimeout limits the write that marks runs as not enqueued. It happens
	// even after the caller's own context has ended.
	undispatchTimeout = 10 * time.Second
	// sqlKey is the prefix of the request key of a run requested in SQL. SQL cannot
	// compute the usual key.
	sqlKey = "sql:"
	// kindPrefix is the text that the queue puts before the ledger's name for a kind.
	kindPrefix = "halo:"
)

// errNoQueue is the value of [Receipt.NotQueued] if the [Dispatcher] has no queue.
var errNoQueue = errors.New("no queue is configured")

// A Dispatcher connects one ledger and one queue. It is safe for concurrent use.
type Dispatcher struct {
	store *repo.Store
	queue *tasks.Client // if nil, runs stay in the ledger until a worker enqueues them
	log   *zap.Logger

	installation atomic.Pointer[string] // id of the ledger's installation; nil before the first claim
}

// New returns a dispatcher. queue and log may be nil.
func New(store *repo.Store, queue *tasks.Client, log *zap.Logger) *Dispatcher {
	if log == nil {
		log = zap.NewNop()
	}
	return &Dispatcher{store: store, queue: queue, log: log}
}

// Claim claims the queue for the ledger's installation. If the queue belongs to another
// installation, it returns a [*tasks.OtherInstallationError].
func (d *Dispatcher) Claim(ctx context.Context) error {
	if d.queue == nil {
		return nil
	}
	id := d.installation.Load()
	if id == nil {
		stored, err := d.store.Installation(ctx)
		if err != nil {
			return err
		}
		id = &stored
		d.installation.Store(id)
	}
	return d.queue.Claim(ctx, *id)
}

// Receipt is the response to a request.
type Receipt struct {
	RunID string // 32 hex digits
	// Existing reports whether the same request is already waiting or running as RunID.
	Existing bool
	// NotQueued is the reason why the run is not in the queue yet, or nil. The run stays in
	// the ledger, and a worker enqueues it once the queue is available.
	NotQueued error
}

// NewRun returns the ledger's row for a request.
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

// FromQueue returns the ledger's row for a run that only the queue has. A client that can
// write to the queue can choose any requester, so FromQueue adds a prefix to names that
// only halosync's own programs record. The function halosync.enqueue does the same with the
// prefix "sql:".
func FromQueue(n repo.NewRun) repo.NewRun {
	if ownRequester.MatchString(n.RequestedBy) {
		n.RequestedBy = "queue:" + strings.TrimSpace(n.RequestedBy)
	}
	return n
}

// ownRequester matches the requesters that the API, the console, the CLI and the scheduler
// record.
var ownRequester = regexp.MustCompile(`^\s*(?:(?:key|user|cli):|(?:cli|schedule)\s*$)`)

// taskKind returns the queue's name for a kind of run.
func taskKind(kind repo.RunKind) string { return kindPrefix + string(kind) }

// KindOf returns the kind of run for the name that the queue uses.
func KindOf(taskKind string) repo.RunKind {
	return repo.RunKind(strings.TrimPrefix(taskKind, kindPrefix))
}

// Reason returns an error's text for a run's record, truncated to 2,000 bytes.
func Reason(err error) string {
	const maxReason = 2000
	text := err.Error()
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return text
}

// Queue enqueues a run that is in the ledger. If the queue is unavailable, a worker
// enqueues the run later.
func (d *Dispatcher) Queue(ctx context.Context, run repo.Run, existing bool) Receipt {
	receipt := Receipt{RunID: repo.Hex(run.ID), Existing: existing}
	if d.queue == nil {
		receipt.NotQueued = errNoQueue
	} else {
		bounded, cancel := context.WithTimeout(ctx, enqueueTimeout)
		defer cancel()
		if receipt.NotQueued = d.Claim(bounded); receipt.NotQueued == nil {
			receipt.NotQueued = d.one(bounded, run)
		}
	}
	if receipt.NotQueued != nil {
		if err := d.undispatch(ctx, []repo.Run{run}); err != nil { // a worker finds the run after a minute
			d.log.Warn("run not undispatched", zap.String("run", receipt.RunID), zap.Error(err))
		}
	}
	return receipt
}

// All records the runs that were requested only through Redis, and enqueues the runs
// that have no task. Such runs were requested in SQL or by the scheduler, or have lost
// their tasks in a crash or a flush. All does not change existing tasks. The result n is
// the number of runs that it enqueued. If the queue belongs to another installation, All
// does nothing and returns a [*tasks.OtherInstallationError].
func (d *Dispatcher) All(ctx context.Context) (n int, err error) {
	if d.queue == nil {
		return 0, nil
	}
	if err := d.Claim(ctx); err != nil {
		return 0, fmt.Errorf("dispatch: %w", err)
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
		// Set the epoch only now. If Postgres is unavailable, the next tick must find
		// the epoch missing again.
		if err := d.queue.SetEpoch(ctx); err != nil {
			return 0, fmt.Errorf("dispatch: %w", err)
		}
	}
	if err := d.recordUnrecorded(ctx); err != nil {
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

// one enqueues a run that is in the ledger.
func (d *Dispatcher) one(ctx context.Context, run repo.Run) error {
	id := repo.Hex(run.ID)
	if run.ApprovedAt != nil { // the task of the held execution may still exist
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

// shareKey sets the usual request key on a run requested in SQL, so that the same
// request through another interface finds this run. If that request came first, both
// runs remain, and the second has nothing left to do.
func (d *Dispatcher) shareKey(ctx context.Context, run repo.Run) error {
	stored, err := tasks.ReadStored(taskKind(run.Kind), run.Args)
	if err != nil {
		return nil //nolint:nilerr // enqueueing reports invalid arguments
	}
	err = d.store.SetRequestKey(ctx, run.Tenant, run.ID, stored.Key)
	if errors.Is(err, repo.ErrConflict) { // the same request came first
		return nil
	}
	return err
}

// undispatch marks runs as not enqueued, so that the next tick tries again.
func (d *Dispatcher) undispatch(ctx context.Context, runs []repo.Run) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undispatchTimeout)
	defer cancel()
	return d.store.Undispatch(ctx, runs)
}

// recordUnrecorded writes to the ledger those runs that were requested only through Redis,
// so that they survive a loss of Redis.
func (d *Dispatcher) recordUnrecorded(ctx context.Context) error {
	for {
		unrecorded, err := d.queue.TakeUnrecorded(ctx, batch)
		for _, u := range unrecorded {
			if rerr := d.record(ctx, u); rerr != nil {
				// The run's execution will record it. Other runs must not wait.
				d.log.Warn("run not recorded", zap.String("run", u.RunID), zap.Error(rerr))
			}
		}
		if err != nil {
			return fmt.Errorf("dispatch: %w", err)
		}
		if len(unrecorded) == 0 {
			return nil
		}
	}
}

// record writes a run from the queue to the ledger. If the arguments are invalid or the
// same request already has another run, it returns nil and the run's execution reports the
// error.
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
	_, _, err = d.store.CreateRun(ctx, FromQueue(repo.NewRun{
		ID: id, Kind: KindOf(u.Kind), Tenant: stored.Tenant, ConnectionID: connection,
		Args: stored.Args, RequestKey: stored.Key, RequestedBy: stored.RequestedBy,
	}))
	if errors.Is(err, repo.ErrNotFound) {
		return nil // unknown connection; the execution reports the error
	}
	return err
}

// Adopt writes a run that exists only in the queue to the tenant's ledger. It reports
// whether it wrote the run.
func (d *Dispatcher) Adopt(ctx context.Context, tenant string, id uuid.UUID) bool {
	if d.queue == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	found, err := d.queue.Lookup(ctx, repo.Hex(id))
	return err == nil && !found.Ended && found.Tenant == tenant && d.record(ctx, found) == nil
}

// RunNow starts a delayed run at once, if the queue is available.
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
