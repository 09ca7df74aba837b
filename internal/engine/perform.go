package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// settleTimeout bounds the writes that close a run, which must happen although
// the run's own context is over.
const settleTimeout = 10 * time.Second

// execution is one execution of a run of any kind.
type execution struct {
	row   repo.NewRun // what the ledger should say of the run, should it not know it yet
	runID string      // as the queue writes it
	final bool        // a plain error ends the run
	tried int         // executions that failed, this one included if it does
}

// newExecution is the execution that a task asks for.
func newExecution[A tasks.Args[A]](kind string, job tasks.Job[A], tenant, connectionID, requestedBy string) (execution, error) {
	row, err := newRun(kind, job.RunID, job.Args, tenant, connectionID, requestedBy)
	row.Died = job.Died
	return execution{row: row, runID: job.RunID, final: job.Final, tried: job.Attempt}, err
}

// newRun is the ledger's row for a request. kind is the ledger's word, such
// as [repo.KindImport].
func newRun[A tasks.Args[A]](kind, runID string, args A, tenant, connectionID, requestedBy string) (repo.NewRun, error) {
	id, err := uuid.Parse(runID)
	if err != nil {
		return repo.NewRun{}, fmt.Errorf("run id %q: %w", runID, err)
	}
	connection, err := uuid.Parse(connectionID)
	if err != nil {
		return repo.NewRun{}, fmt.Errorf("connection id %q: %w", connectionID, err)
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return repo.NewRun{}, err
	}
	return repo.NewRun{
		ID: id, Kind: kind, Tenant: tenant, ConnectionID: connection,
		Args: raw, RequestKey: tasks.Key(taskKind(kind), args), RequestedBy: requestedBy,
	}, nil
}

// taskKind is the queue's name of a kind of run.
func taskKind(kind string) string { return "halo:" + kind }

// ending is how an execution of a run ended, if not with an error.
type ending struct {
	state    string // repo.StateSucceeded, StatePartial, StateHeld, StateCancelled
	complete bool
	reason   string

	// Of a resync: all mappings are verified, the pages of a complete listing,
	// and how many mappings a held run would have marked missing.
	verified bool
	pages    int
	missing  int
}

// perform executes a run, from where it stands to its end or to where body
// stops. The run record is opened first and closed last, on a context that
// survives cancellation. What it returns is what the queue acts upon: a result
// ends the task, [tasks.Later] and [tasks.Never] say so, any other error
// spends an attempt.
func (e *Engine) perform(ctx context.Context, x execution, body func(context.Context, repo.Claim) (ending, error)) (tasks.RunResult, error) {
	x.row.TenantRuns = e.tenantRuns
	if err := e.remembered(ctx, x.row, time.Now()); err != nil {
		return tasks.RunResult{}, err
	}
	claim, err := e.store.ClaimRun(ctx, x.row)
	if errors.Is(err, repo.ErrEnded) {
		return e.result(ctx, x.row.Tenant, x.runID)
	}
	if err != nil {
		return e.unclaimed(ctx, x, claim.Run, err)
	}
	end, err := e.guarded(ctx, x, claim, body)
	result, err := e.settle(ctx, x, claim, end, err)
	e.next(ctx, claim.Ref, x.row.Kind)
	return result, err
}

// maxDeaths is how many executions in a row may end with their worker, without
// a page in between, before the run is taken for the cause.
const maxDeaths = 3

// panicError is a panic of a run's body.
type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// caught makes an error of a panic: in a goroutine of its own, that would end
// the process, and with it the runs of others.
func caught(f func() error) func() error {
	return func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = &panicError{p, string(debug.Stack())}
			}
		}()
		return f()
	}
}

// guarded runs the body and gives signs of life meanwhile. A panic is an error
// like any other, so that the run's record can be closed.
func (e *Engine) guarded(ctx context.Context, x execution, claim repo.Claim, body func(context.Context, repo.Claim) (ending, error)) (end ending, err error) {
	switch {
	case claim.Run.CancelRequestedAt != nil:
		return ending{state: repo.StateCancelled, reason: "cancelled"}, nil
	case claim.Run.Deaths >= maxDeaths:
		return ending{state: repo.StateFailed, reason: fmt.Sprintf("set aside: %d workers in a row died while they executed it;"+
			" look at their logs, then \"enqueue runs retry %s\"", claim.Run.Deaths, x.runID)}, nil
	}
	ctx, opened := withOpened(ctx)
	ctx, stop := e.alive(ctx, claim.Ref)
	defer stop()
	err = caught(func() (err error) {
		end, err = body(ctx, claim)
		return err
	})()
	if err != nil && errors.Is(context.Cause(ctx), repo.ErrFenced) {
		err = errors.Join(repo.ErrFenced, err)
	}
	err = opened.redact(err)
	if p, ok := errors.AsType[*panicError](err); ok {
		e.log.Error("panic", zap.String("run", x.runID), zap.String("panic", err.Error()), zap.String("stack", p.stack))
	}
	return end, err
}

// settle closes the run's record, or puts the run back, by the verdict.
func (e *Engine) settle(ctx context.Context, x execution, claim repo.Claim, end ending, err error) (tasks.RunResult, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()

	if err == nil {
		return e.finish(ctx, x, claim.Ref, repo.Finish{
			State: end.state, Complete: end.complete, Error: end.reason,
			Verified: end.verified, ClientsPages: end.pages, WouldMiss: end.missing,
		})
	}
	r := rule(err, waited(claim.Run))
	if r.reconnect {
		if serr := e.store.SetConnectionState(ctx, x.row.Tenant, "run:"+x.runID, claim.Ref.ConnectionID, repo.NeedsReconnect, reason(err)); serr != nil {
			err = errors.Join(err, serr)
		}
	}
	switch {
	case r.verdict == never, r.verdict == again && (x.final || r.attempts > 0 && x.tried >= r.attempts):
		// Should the record not close, the attempt is an ordinary failure: a
		// task that is gone could never close it.
		if _, ferr := e.finish(ctx, x, claim.Ref, repo.Finish{State: repo.StateFailed, Error: reason(err), Stack: stackOf(err)}); ferr != nil {
			return tasks.RunResult{}, errors.Join(err, ferr)
		}
		return tasks.RunResult{}, tasks.Never(err)
	case errors.Is(err, repo.ErrFenced):
		return tasks.RunResult{}, tasks.Later(r.after, err) // the run belongs to somebody else now
	}
	if rerr := e.store.ReleaseRun(ctx, claim.Ref, reason(err), time.Now().Add(r.after)); rerr != nil {
		err = errors.Join(err, rerr)
	}
	if r.verdict == later {
		return tasks.RunResult{}, tasks.Later(r.after, err)
	}
	return tasks.RunResult{}, err
}

// stackOf is where a panic happened; empty for any other error.
func stackOf(err error) string {
	if p, ok := errors.AsType[*panicError](err); ok {
		return p.stack
	}
	return ""
}

// waited is the time since the run's first execution began, or else since a
// person, or the clock, wanted it: waiting for others of its tenant is not held
// against it.
func waited(run repo.Run) time.Duration {
	switch {
	case run.StartedAt != nil:
		return time.Since(*run.StartedAt)
	case run.ApprovedAt != nil:
		return time.Since(*run.ApprovedAt)
	}
	return time.Since(run.QueuedAt)
}

// unclaimed answers for a run that this execution could not get hold of.
func (e *Engine) unclaimed(ctx context.Context, x execution, run repo.Run, err error) (tasks.RunResult, error) {
	if errors.Is(err, repo.ErrNotFound) {
		err = fmt.Errorf("connection %s of tenant %s does not exist: %w", x.row.ConnectionID, x.row.Tenant, err)
	}
	var busy *repo.BusyError
	switch r := rule(err, 0); {
	case errors.As(err, &busy):
		return tasks.RunResult{}, tasks.Later(afterBusy(run), err)
	case r.verdict == later:
		return tasks.RunResult{}, tasks.Later(r.after, err)
	case r.verdict == never, x.final:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		return tasks.RunResult{}, tasks.Never(errors.Join(err, e.reject(ctx, x.row.Kind, x.row.Tenant, x.runID, reason(err))))
	}
	return tasks.RunResult{}, err
}

// finish writes the run's last state and returns the run as its result.
func (e *Engine) finish(ctx context.Context, x execution, ref repo.RunRef, f repo.Finish) (tasks.RunResult, error) {
	err := e.store.FinishRun(ctx, ref, f)
	if errors.Is(err, repo.ErrFenced) {
		return tasks.RunResult{}, tasks.Later(0, err)
	}
	if err != nil {
		err = fmt.Errorf("close the run: %w", err)
		// What the run was for is done. A Postgres that is away, or does not
		// answer within settleTimeout, spends no attempt here either.
		if errors.Is(err, repo.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			return tasks.RunResult{}, tasks.Later(retryStore, err)
		}
		return tasks.RunResult{}, err
	}
	run, err := e.store.Run(ctx, x.row.Tenant, ref.ID)
	if err != nil {
		e.ended(Ended{Kind: x.row.Kind, State: f.State})
		return tasks.RunResult{}, err
	}
	e.ended(endedOf(run))
	return resultOf(run), nil
}

// result reads a run's record as the queue's result.
func (e *Engine) result(ctx context.Context, tenant, runID string) (tasks.RunResult, error) {
	id, err := uuid.Parse(runID)
	if err != nil {
		return tasks.RunResult{}, err
	}
	run, err := e.store.Run(ctx, tenant, id)
	if err != nil {
		return tasks.RunResult{}, err
	}
	return resultOf(run), nil
}

func resultOf(run repo.Run) tasks.RunResult {
	return tasks.RunResult{
		RunID: RunID(run.ID), State: run.State,
		Pages: run.Pages, Records: run.Records, RecordsTotal: run.RecordsTotal, Complete: run.Complete,
		Created: run.Created, Linked: run.Linked, Refreshed: run.Refreshed, Unchanged: run.Unchanged,
		Ambiguous: run.Ambiguous, Skipped: run.Skipped, Failed: run.Failed,
		Missing: run.Missing, Unverified: run.Unverified, Removed: run.Removed, Error: run.Error,
	}
}

// reason is an error as it is kept in a run's record: whole, bounded.
func reason(err error) string {
	const most = 2000
	text := err.Error()
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}

// reject closes the record of a run that nobody could execute.
func (e *Engine) reject(ctx context.Context, kind, tenant, runID, why string) error {
	id, err := uuid.Parse(runID)
	if err != nil {
		return err
	}
	err = e.store.RejectRun(ctx, tenant, id, why)
	if errors.Is(err, repo.ErrNotFound) {
		err = nil // enqueued through Redis alone: there is no record
	}
	if err == nil {
		e.ended(Ended{Kind: kind, State: repo.StateFailed})
	}
	return err
}
