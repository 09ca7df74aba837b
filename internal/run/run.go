// Package run executes runs, of whatever kind: it claims the run's record, keeps it with
// a heartbeat, gives the worker slot back at the end of a time slice, and closes the
// record by the verdict on the outcome. A run's fence is checked in every write, because
// the queue may execute a task twice at once.
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

// Config is what an [Executor] works with.
type Config struct {
	Store *repo.Store
	// Dispatch starts the runs that waited for one that has ended. Default: they wait
	// for their own time.
	Dispatch *dispatch.Dispatcher
	// TenantRuns is how many bulk runs (imports, resyncs) of one tenant may execute at
	// a time in the whole fleet; 0: any number.
	TenantRuns int
	// MinSlice is how long one execution of a run goes on before it hands its worker
	// slot to others that wait, and queues up again; default 30 s.
	MinSlice time.Duration
	// MaxSlice is how long it goes on if no other run waits; default 5 minutes.
	MaxSlice time.Duration
	// KeepRuns is how long the records of ended runs are kept; 0: for ever.
	KeepRuns time.Duration
	// Ended is called after each run that has ended, Wrote after each committed
	// transaction of a run; for metrics. They may be nil.
	Ended func(Ended)
	Wrote func(kind repo.RunKind, pages, records int)
	Log   *zap.Logger // default: none
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

// Result is how an execution of a run ended, if not with an error. The zero value means
// that the run goes on.
type Result struct {
	State    repo.RunState // repo.StateSucceeded, StatePartial, StateHeld, StateCancelled
	Complete bool
	Reason   string

	// Of a resync: all mappings are verified, the pages of a complete list, and how
	// many mappings a held run would have marked missing.
	Verified bool
	Pages    int
	Missing  int
}

// Ended is a run that has ended.
type Ended struct {
	Kind  repo.RunKind
	State repo.RunState
	// Took is the time since its first execution began, waits included. It is 0 if no
	// execution did, or if that is unknown.
	Took time.Duration
}

// Execution is one execution of a run that has been claimed.
type Execution struct {
	repo.Claim
	Log *zap.Logger // names run, tenant and connection
	// Class of queue that the task waited in decides for whom requests are made.
	draining <-chan struct{}
	executor *Executor
}

// Slice begins a time slice.
func (x *Execution) Slice() *TimeSlice {
	return newTimeSlice(x.executor, x.Ref, x.draining)
}

// Draining is closed when the worker begins to stop.
func (x *Execution) Draining() <-chan struct{} { return x.draining }

// Wrote reports a committed transaction to the metrics.
func (x *Execution) Wrote(pages, records int) {
	x.executor.cfg.Wrote(x.Run.Kind, pages, records)
}

// task is what the queue said of an execution.
type task struct {
	row   repo.NewRun // what the ledger should say of the run, should it not have it yet
	runID string      // as the queue writes it
	final bool        // a plain error ends the run
	tried int         // executions that failed, this one included if it does
}

// Execute executes a run of a kind, from its checkpoint to its end or to where body
// stops. What it returns is what the queue acts upon: a result ends the task,
// [tasks.Later] and [tasks.Never] say so, any other error spends an attempt.
func Execute[A tasks.Args[A]](ctx context.Context, e *Executor, kind repo.RunKind, job tasks.Job[A], body func(context.Context, *Execution) (Result, error)) (tasks.RunResult, error) {
	row, err := dispatch.NewRun(kind, job.RunID, job.Args)
	if err != nil {
		return tasks.RunResult{}, tasks.Never(err)
	}
	row.Died = job.Died
	row.TenantRuns = e.cfg.TenantRuns
	return e.execute(ctx, task{row: row, runID: job.RunID, final: job.Final, tried: job.Attempt}, job.Draining, body)
}

func (e *Executor) execute(ctx context.Context, t task, draining <-chan struct{}, body func(context.Context, *Execution) (Result, error)) (tasks.RunResult, error) {
	if err := e.remembered(ctx, t.row, time.Now()); err != nil {
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

// remembered refuses a task whose run may have ended and been removed since: one that
// the queue has kept for longer than the ledger keeps runs, as its archive does, and
// that a person started again. It would be executed as if it had been requested now, and
// undo what was decided meanwhile.
func (e *Executor) remembered(ctx context.Context, n repo.NewRun, now time.Time) error {
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

// maxCrashes is how many executions in a row may end with their worker, without a page
// in between, before the run is taken for the cause.
const maxCrashes = 3

// guarded runs the body under a heartbeat. A panic is an error like any other, so that
// the run's record can be closed.
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

// heartbeatEvery is how often an execution shows that it is alive; the dispatcher takes
// it for dead after a minute.
const heartbeatEvery = 10 * time.Second

// heartbeat shows that an execution is alive until stop is called. The context that it
// returns ends, with [repo.ErrFenced], when another worker owns the run: this execution
// could not write any more anyway.
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

// Rejected closes the record of a run whose payload could not be read.
func (e *Executor) Rejected(ctx context.Context, r tasks.Rejected) error {
	id, err := uuid.Parse(r.RunID)
	if err != nil {
		return err
	}
	return e.reject(ctx, dispatch.KindOf(r.Kind), r.Tenant, id, dispatch.Reason(r.Err))
}
