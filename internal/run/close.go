package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// closeTimeout limits the writes that close a run. They run even after the run's own
// context has ended.
const closeTimeout = 10 * time.Second

// settle closes or releases the run, depending on the verdict.
func (e *Executor) settle(ctx context.Context, t task, claim repo.Claim, end Result, err error) (tasks.RunResult, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()

	if err == nil {
		return e.finish(ctx, t, claim.Ref, repo.Finish{
			State: end.State, Complete: end.Complete, Error: end.Reason,
			Verified: end.Verified, ClientsPages: end.Pages, WouldMiss: end.Missing,
		})
	}
	r := rule(err, waited(claim.Run))
	switch {
	case r.verdict == never, r.verdict == again && (t.final || r.attempts > 0 && t.tried >= r.attempts):
		if r.reconnect {
			if serr := e.cfg.Store.SetConnectionState(ctx, t.row.Tenant, "run:"+t.runID, claim.Ref.ConnectionID, repo.NeedsReconnect, dispatch.Reason(err)); serr != nil {
				err = errors.Join(err, serr)
			}
		}
		// If the record cannot be closed, the attempt fails like any other. The task
		// must remain, because only the task can close the record later.
		if _, ferr := e.finish(ctx, t, claim.Ref, repo.Finish{State: repo.StateFailed, Error: dispatch.Reason(err), Stack: stackOf(err)}); ferr != nil {
			return tasks.RunResult{}, errors.Join(err, ferr)
		}
		return tasks.RunResult{}, tasks.Never(err)
	case errors.Is(err, repo.ErrFenced):
		return tasks.RunResult{}, tasks.Later(r.after, err) // another worker has taken over the run
	}
	if rerr := e.cfg.Store.ReleaseRun(ctx, claim.Ref, dispatch.Reason(err), time.Now().Add(r.after)); rerr != nil {
		err = errors.Join(err, rerr)
	}
	if r.verdict == later {
		return tasks.RunResult{}, tasks.Later(r.after, err)
	}
	return tasks.RunResult{}, err
}

// stackOf returns the stack trace of a panic, or "" for other errors.
func stackOf(err error) string {
	if p, ok := errors.AsType[*proof.PanicError](err); ok {
		return p.Stack
	}
	return ""
}

// waited returns the time since the run's first execution began. If the run has not been
// executed yet, it returns the time since the run was approved or queued.
func waited(run repo.Run) time.Duration {
	switch {
	case run.StartedAt != nil:
		return time.Since(*run.StartedAt)
	case run.ApprovedAt != nil:
		return time.Since(*run.ApprovedAt)
	}
	return time.Since(run.QueuedAt)
}

// unclaimed returns the task's result if the run could not be claimed.
func (e *Executor) unclaimed(ctx context.Context, t task, run repo.Run, err error) (tasks.RunResult, error) {
	if errors.Is(err, repo.ErrNotFound) {
		err = fmt.Errorf("connection %s of tenant %s does not exist: %w", t.row.ConnectionID, t.row.Tenant, err)
	}
	var busy *repo.BusyError
	switch r := rule(err, 0); {
	case errors.As(err, &busy):
		return tasks.RunResult{}, tasks.Later(afterBusy(run), err)
	case r.verdict == later:
		return tasks.RunResult{}, tasks.Later(r.after, err)
	case r.verdict == never, t.final:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return tasks.RunResult{}, tasks.Never(errors.Join(err, e.reject(ctx, t.row.Kind, t.row.Tenant, t.row.ID, dispatch.Reason(err))))
	}
	return tasks.RunResult{}, err
}

// finish writes the run's final state and returns the run as a result for the queue.
func (e *Executor) finish(ctx context.Context, t task, ref repo.RunRef, f repo.Finish) (tasks.RunResult, error) {
	err := e.cfg.Store.FinishRun(ctx, ref, f)
	if errors.Is(err, repo.ErrFenced) {
		return tasks.RunResult{}, tasks.Later(0, err)
	}
	if err != nil {
		err = fmt.Errorf("close the run: %w", err)
		// The work is done. If Postgres is unavailable or does not respond within
		// closeTimeout, the execution uses up no attempt.
		if errors.Is(err, repo.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			return tasks.RunResult{}, tasks.Later(retryStore, err)
		}
		return tasks.RunResult{}, err
	}
	run, err := e.cfg.Store.Run(ctx, t.row.Tenant, ref.ID)
	if err != nil {
		e.cfg.Ended(Ended{Kind: t.row.Kind, State: f.State})
		return tasks.RunResult{}, err
	}
	e.cfg.Ended(endedOf(run))
	return resultOf(run), nil
}

func endedOf(run repo.Run) Ended {
	ended := Ended{Kind: run.Kind, State: run.State}
	if run.StartedAt != nil && run.FinishedAt != nil {
		ended.Took = run.FinishedAt.Sub(*run.StartedAt)
	}
	return ended
}

// stored returns a run's record as a result for the queue.
func (e *Executor) stored(ctx context.Context, tenant string, id uuid.UUID) (tasks.RunResult, error) {
	run, err := e.cfg.Store.Run(ctx, tenant, id)
	if err != nil {
		return tasks.RunResult{}, err
	}
	return resultOf(run), nil
}

// maxItems and maxItemBytes bound the items of a task's result, as [tasks.RunResult]
// documents. Redis keeps each result for a day.
const (
	maxItems     = 100
	maxItemBytes = 32 << 10
)

func resultOf(run repo.Run) tasks.RunResult {
	result := tasks.RunResult{
		RunID: repo.Hex(run.ID), State: string(run.State),
		Pages: run.Pages, Records: run.Records, RecordsTotal: run.RecordsTotal, Complete: run.Complete,
		Created: run.Created, Linked: run.Linked, Refreshed: run.Refreshed, Unchanged: run.Unchanged,
		Ambiguous: run.Ambiguous, Skipped: run.Skipped, Failed: run.Failed,
		Missing: run.Missing, Unverified: run.Unverified, Removed: run.Removed, Error: run.Error,
	}
	size := 0
	for _, item := range run.Items {
		i := tasks.ResultItem{ClientID: item.ClientID, Pair: item.Pair, Outcome: string(item.Outcome), Reason: item.Reason}
		if item.CompanyID != uuid.Nil {
			i.CompanyID = item.CompanyID.String()
		}
		text, err := json.Marshal(i)
		if size += len(text); err != nil || size > maxItemBytes || len(result.Items) == maxItems {
			result.MoreItems = true
			break
		}
		result.Items = append(result.Items, i)
	}
	return result
}

// reject closes the record of a run that could not be executed.
func (e *Executor) reject(ctx context.Context, kind repo.RunKind, tenant string, id uuid.UUID, why string) error {
	err := e.cfg.Store.RejectRun(ctx, tenant, id, why)
	if errors.Is(err, repo.ErrNotFound) {
		err = nil // a run enqueued only through Redis has no record
	}
	if err == nil {
		e.cfg.Ended(Ended{Kind: kind, State: repo.StateFailed})
	}
	return err
}
