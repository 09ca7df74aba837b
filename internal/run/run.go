// Package run executes runs of every kind. It claims the run's record, renews the claim
// with a heartbeat, and frees the worker slot at the end of a time slice. A verdict on
// the outcome decides how the record is closed. Every write checks the run's fence, because
// the queue may execute a task twice at the same time.
package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Config configures an [Executor].
type Config struct {
	Store *repo.Store
	// Dispatch starts the waiting runs as soon as the run that blocked them ends. Without a
	// dispatcher, they start at their retry time.
	Dispatch *dispatch.Dispatcher
	// TenantRuns is the maximum number of bulk runs (imports, resyncs) that the whole
	// fleet executes at once for one tenant; 0 means no limit.
	TenantRuns int
	// MinSlice is how long an execution may last before it frees its worker slot for
	// waiting runs. The default is 30 s.
	MinSlice time.Duration
	// MaxSlice is how long an execution may last if no other run is waiting. The default is
	// 5 minutes.
	MaxSlice time.Duration
	// KeepRuns is how long the records of finished runs are kept; 0 means forever.
	KeepRuns time.Duration
	// Ended is called after each run ends. Wrote is called after each committed
	// transaction of a run. Both are for metrics and may be nil.
	Ended func(Ended)
	Wrote func(kind repo.RunKind, pages, records int)
	Log   *zap.Logger // nil logs nothing
}

// Executor executes runs. It is safe for concurrent use.
type Executor struct{ cfg Config }

// New returns an executor.
func New(cfg Config) *Executor {
	if cfg.Dispatch == nil {
		cfg.Dispatch = dispatch.New(cfg.Store, nil, cfg.Log)
	}
	if cfg.MinSlice == 0 {
		cfg.MinSlice = 30 * time.Second
	}
	if cfg.MaxSlice == 0 {
		cfg.MaxSlice = 5 * time.Minute
	}
	if cfg.Ended == nil {
		cfg.Ended = func(Ended) {}
	}
	if cfg.Wrote == nil {
		cfg.Wrote = func(repo.RunKind, int, int) {}
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	return &Executor{cfg: cfg}
}

// Result is the outcome of an execution without an error. The zero value describes a run
// that has not ended.
type Result struct {
	State    repo.RunState // repo.StateSucceeded, StatePartial, StateHeld, StateCancelled
	Complete bool
	Reason   string

	// For a resync only: whether all mappings are verified, the number of pages of a
	// complete list, and how many mappings a held run would have marked missing.
	Verified bool
	Pages    int
	Missing  int
}

// Ended describes a run that has ended.
type Ended struct {
	Kind  repo.RunKind
	State repo.RunState
	// Took is the time since the run's first execution began, including waits. It is 0 if
	// the run was never executed or if the time is unknown.
	Took time.Duration
}

// Execution is one execution of a claimed run.
type Execution struct {
	repo.Claim
	Log *zap.Logger // with the fields run, tenant and connection

	draining <-chan struct{}
	executor *Executor
}

// Slice begins a time slice.
func (x *Execution) Slice() *TimeSlice {
	return newTimeSlice(x.executor, x.Ref, x.draining)
}

// Draining returns a channel that is closed when the worker begins to stop.
func (x *Execution) Draining() <-chan struct{} { return x.draining }

// Wrote reports a committed transaction to the metrics.
func (x *Execution) Wrote(pages, records int) {
	x.executor.cfg.Wrote(x.Run.Kind, pages, records)
}

// task holds what the queue provides for an execution.
type task struct {
	row   repo.NewRun // the run's row in the ledger, written if missing
	runID string      // 32 hex digits, as in the queue
	final bool        // a plain error ends the run
	tried int         // failed executions, including this one if it fails
}

// Execute executes a run from its checkpoint until body returns. A result ends the
// task. A [tasks.Later] postpones the task, a [tasks.Never] ends it, and any other
// error uses up an attempt.
func Execute[A tasks.Args[A]](ctx context.Context, e *Executor, kind repo.RunKind, job tasks.Job[A], body func(context.Context, *Execution) (Result, error)) (tasks.RunResult, error) {
	row, err := dispatch.NewRun(kind, job.RunID, job.Args)
	if err != nil {
		return tasks.RunResult{}, tasks.Never(err)
	}
	row = dispatch.FromQueue(row) // applies only if the ledger does not have the run
	row.Died = job.Died
	row.TenantRuns = e.cfg.TenantRuns
	return e.execute(ctx, task{row: row, runID: job.RunID, final: job.Final, tried: job.Attempt}, job.Draining, body)
}

func (e *Executor) execute(ctx context.Context, t task, draining <-chan struct{}, body func(context.Context, *Execution) (Result, error)) (tasks.RunResult, error) {
	if err := e.checkAge(ctx, t.row, time.Now()); err != nil {
		return tasks.RunResult{}, err
	}
	claim, err := e.cfg.Store.ClaimRun(ctx, t.row)
	if errors.Is(err, repo.ErrEnded) {
		return e.stored(ctx, t.row.Tenant, t.row.ID)
	}
	if err != nil {
		return e.unclaimed(ctx, t, claim.Run, err)
	}
	x := &Execution{Claim: claim, draining: draining, executor: e, Log: e.cfg.Log.With(
		zap.String("run", repo.Hex(claim.Ref.ID)), zap.String("tenant", claim.Ref.Tenant), zap.Stringer("connection", claim.Ref.ConnectionID))}
	end, err := e.guarded(ctx, t, x, body)
	result, err := e.settle(ctx, t, claim, end, err)
	e.wakeWaiting(ctx, claim.Ref, t.row.Kind)
	return result, err
}

// checkAge rejects a task if its run has no record and was requested longer ago than
// KeepRuns. Such a run may have ended long ago: the queue's archive keeps tasks longer
// than the ledger keeps runs, and archived tasks can be restarted. Executing the run
// could undo later decisions.
func (e *Executor) checkAge(ctx context.Context, n repo.NewRun, now time.Time) error {
	if e.cfg.KeepRuns <= 0 || n.ID.Version() != 7 {
		return nil
	}
	sec, nsec := n.ID.Time().UnixTime()
	if now.Sub(time.Unix(sec, nsec)) < e.cfg.KeepRuns {
		return nil
	}
	_, err := e.cfg.Store.Run(ctx, n.Tenant, n.ID)
	if errors.Is(err, repo.ErrNotFound) {
		return tasks.Never(fmt.Errorf("run %s was requested more than %v ago, and its record is gone: request it again", repo.Hex(n.ID), e.cfg.KeepRuns))
	}
	if err != nil {
		return tasks.Later(retryStore, err)
	}
	return nil
}

// maxCrashes is the number of consecutive executions that may crash their worker
// without writing a page. After that, the run fails.
const maxCrashes = 3

// guarded runs body with a heartbeat. It converts a panic to an error, so that the
// run's record can be closed.
func (e *Executor) guarded(ctx context.Context, t task, x *Execution, body func(context.Context, *Execution) (Result, error)) (end Result, err error) {
	switch {
	case x.Run.CancelRequestedAt != nil:
		return Result{State: repo.StateCancelled, Reason: "cancelled"}, nil
	case x.Run.WorkerCrashes >= maxCrashes:
		return Result{State: repo.StateFailed, Reason: fmt.Sprintf("set aside: %d workers in a row died while they executed it;"+
			" look at their logs, then \"enqueue runs retry %s\"", x.Run.WorkerCrashes, t.runID)}, nil
	}
	ctx, secrets := dial.WithSecrets(ctx)
	ctx, stop := e.heartbeat(ctx, x.Ref)
	defer stop()
	err = proof.Catch(func() (err error) {
		end, err = body(ctx, x)
		return err
	})()
	if err != nil && errors.Is(context.Cause(ctx), repo.ErrFenced) {
		err = errors.Join(repo.ErrFenced, err)
	}
	err = secrets.Redact(err)
	if p, ok := errors.AsType[*proof.PanicError](err); ok {
		e.cfg.Log.Error("panic", zap.String("run", t.runID), zap.String("panic", err.Error()), zap.String("stack", p.Stack))
	}
	return end, err
}

// heartbeatEvery is the interval of an execution's heartbeat. After a minute without a
// heartbeat, the dispatcher considers the execution dead.
const heartbeatEvery = 10 * time.Second

// heartbeat writes the execution's heartbeat until stop is called. If another worker
// has taken over the run, it cancels the returned context with [repo.ErrFenced],
// because this execution can no longer write.
func (e *Executor) heartbeat(parent context.Context, ref repo.RunRef) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(heartbeatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			switch err := e.cfg.Store.Beat(ctx, ref); {
			case errors.Is(err, repo.ErrFenced):
				cancel(err)
			case err != nil && ctx.Err() == nil:
				e.cfg.Log.Warn("heartbeat failed", zap.String("run", repo.Hex(ref.ID)), zap.Error(err))
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// Rejected closes the record of a run whose task was rejected. A task whose id is not a
// run's id has no record.
func (e *Executor) Rejected(ctx context.Context, r tasks.Rejected) error {
	id, err := uuid.Parse(r.RunID)
	if err != nil {
		return nil //nolint:nilerr // otherwise the task would be retried
	}
	return e.reject(ctx, dispatch.KindOf(r.Kind), r.Tenant, id, dispatch.Reason(r.Err))
}
