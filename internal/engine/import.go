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

// Import executes an import run, from where it stands to its end or to the
// end of its time slice. The run record is opened first and closed last, on a
// context that survives cancellation. What it returns is what the queue acts
// upon: a result ends the task, [tasks.Later] and [tasks.Never] say so, any
// other error spends an attempt.
func (e *Engine) Import(ctx context.Context, job tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
	claim, err := e.claimImport(ctx, job)
	if errors.Is(err, repo.ErrEnded) {
		return e.result(ctx, job.Args.Tenant, job.RunID)
	}
	if err != nil {
		return e.unclaimed(ctx, job, err)
	}
	end, err := e.executeImport(ctx, job, claim)
	return e.settle(ctx, job, claim, end, err)
}

// claimImport makes this execution the only one that may write to the run.
func (e *Engine) claimImport(ctx context.Context, job tasks.Job[tasks.ImportArgs]) (repo.Claim, error) {
	run, err := newImportRun(job.RunID, job.Args)
	if err != nil {
		return repo.Claim{}, err
	}
	return e.store.ClaimRun(ctx, run)
}

// newImportRun is the ledger's row for an import.
func newImportRun(runID string, args tasks.ImportArgs) (repo.NewRun, error) {
	id, err := uuid.Parse(runID)
	if err != nil {
		return repo.NewRun{}, fmt.Errorf("run id %q: %w", runID, err)
	}
	connection, err := uuid.Parse(args.ConnectionID)
	if err != nil {
		return repo.NewRun{}, fmt.Errorf("connection id %q: %w", args.ConnectionID, err)
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return repo.NewRun{}, err
	}
	return repo.NewRun{
		ID: id, Kind: repo.KindImport, Tenant: args.Tenant, ConnectionID: connection,
		Args: raw, RequestKey: tasks.Key(tasks.KindImport, args), RequestedBy: args.RequestedBy,
	}, nil
}

// ending is how an execution of a run ended, if not with an error.
type ending struct {
	state    string // repo.StateSucceeded, StatePartial, StateCancelled
	complete bool
	reason   string
}

// executeImport runs the pages. A panic is an error like any other, so that
// the run's record can be closed.
func (e *Engine) executeImport(ctx context.Context, job tasks.Job[tasks.ImportArgs], claim repo.Claim) (end ending, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("panic", zap.String("run", job.RunID), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if claim.Run.CancelRequestedAt != nil {
		return ending{state: repo.StateCancelled, reason: "cancelled"}, nil
	}
	im, err := e.newImporter(ctx, job, claim)
	if err != nil {
		return ending{}, err
	}
	return im.run(ctx)
}

// settle closes the run's record, or puts the run back, by the verdict.
func (e *Engine) settle(ctx context.Context, job tasks.Job[tasks.ImportArgs], claim repo.Claim, end ending, err error) (tasks.RunResult, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()

	if err == nil {
		return e.finish(ctx, job, claim.Ref, repo.Finish{State: end.state, Complete: end.complete, Error: end.reason})
	}
	r := rule(err, time.Since(claim.Run.QueuedAt))
	if r.reconnect {
		if serr := e.store.SetConnectionState(ctx, job.Args.Tenant, "run:"+job.RunID, claim.Ref.ConnectionID, repo.NeedsReconnect, reason(err)); serr != nil {
			err = errors.Join(err, serr)
		}
	}
	switch {
	case r.verdict == never, r.verdict == again && job.Final:
		// Should the record not close, the attempt is an ordinary failure: a
		// task that is gone could never close it.
		if _, ferr := e.finish(ctx, job, claim.Ref, repo.Finish{State: repo.StateFailed, Error: reason(err)}); ferr != nil {
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

// unclaimed answers for a run that this execution could not get hold of.
func (e *Engine) unclaimed(ctx context.Context, job tasks.Job[tasks.ImportArgs], err error) (tasks.RunResult, error) {
	if errors.Is(err, repo.ErrNotFound) {
		err = fmt.Errorf("connection %s of tenant %s does not exist: %w", job.Args.ConnectionID, job.Args.Tenant, err)
	}
	switch r := rule(err, 0); {
	case r.verdict == later:
		return tasks.RunResult{}, tasks.Later(r.after, err)
	case r.verdict == never, job.Final:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		return tasks.RunResult{}, tasks.Never(errors.Join(err, e.reject(ctx, job.Args.Tenant, job.RunID, reason(err))))
	}
	return tasks.RunResult{}, err
}

// finish writes the run's last state and returns the run as its result.
func (e *Engine) finish(ctx context.Context, job tasks.Job[tasks.ImportArgs], ref repo.RunRef, f repo.Finish) (tasks.RunResult, error) {
	err := e.store.FinishRun(ctx, ref, f)
	if errors.Is(err, repo.ErrFenced) {
		return tasks.RunResult{}, tasks.Later(0, err)
	}
	if err != nil {
		return tasks.RunResult{}, fmt.Errorf("close the run: %w", err)
	}
	return e.result(ctx, job.Args.Tenant, job.RunID)
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
	return tasks.RunResult{
		RunID: runID, State: run.State,
		Pages: run.Pages, Records: run.Records, RecordsTotal: run.RecordsTotal, Complete: run.Complete,
		Created: run.Created, Linked: run.Linked, Refreshed: run.Refreshed, Unchanged: run.Unchanged,
		Ambiguous: run.Ambiguous, Skipped: run.Skipped, Failed: run.Failed, Error: run.Error,
	}, nil
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
func (e *Engine) reject(ctx context.Context, tenant, runID, why string) error {
	id, err := uuid.Parse(runID)
	if err != nil {
		return err
	}
	err = e.store.RejectRun(ctx, tenant, id, why)
	if errors.Is(err, repo.ErrNotFound) {
		return nil // enqueued through Redis alone: there is no record
	}
	return err
}
