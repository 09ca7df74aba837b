package engine

import (
	"context"
	"errors"

	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Resync executes a resync run; see perform for what it returns.
func (e *Engine) Resync(ctx context.Context, job tasks.Job[tasks.ResyncArgs]) (tasks.RunResult, error) {
	x, err := newExecution(repo.KindResync, job, job.Args.Tenant, job.Args.ConnectionID, job.Args.RequestedBy)
	if err != nil {
		return tasks.RunResult{}, tasks.Never(err)
	}
	return e.perform(ctx, x, func(ctx context.Context, claim repo.Claim) (ending, error) {
		conn, api, end, err := e.openSame(ctx, claim, ratelimit.Background)
		if err != nil || end.state != "" {
			return end, err
		}
		w, err := e.newWalk(api, claim, e.newTurn(claim.Ref, job.Draining))
		if err != nil {
			return ending{}, err
		}
		rs := &resyncer{
			walk: w, pages: conn.ClientsPages, approved: claim.Run.ApprovedMissing, run: RunID(claim.Run.ID),
			found: len(claim.Cursor) > 0, // an execution before this one may have found something
		}
		w.write = rs.writePage
		if err := w.restore(ctx); err != nil {
			return ending{}, err
		}
		return rs.resync(ctx)
	})
}

// RequestResync asks for a connection's mappings to be reconciled with Halo.
func (e *Engine) RequestResync(ctx context.Context, tenant, connection, by string) (Receipt, error) {
	conn, err := e.usable(ctx, tenant, connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.ResyncArgs{Tenant: tenant, ConnectionID: conn.ID.String(), RequestedBy: by}
	return request(ctx, e, repo.KindResync, args, tenant, conn.ID.String(), by)
}

// waitingResync is the ledger's row of a resync that a dispatcher puts into
// the queue.
func waitingResync(args tasks.ResyncArgs) (repo.NewRun, error) {
	row, err := newRun(repo.KindResync, tasks.NewRunID(), args, args.Tenant, args.ConnectionID, args.RequestedBy)
	row.Waiting = true
	return row, err
}

// Approve lets a held run go on, from the start and by what Halo says then.
func (e *Engine) Approve(ctx context.Context, tenant, runID, actor string) (Receipt, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return Receipt{}, err
	}
	run, err := e.store.ApproveRun(ctx, tenant, id, actor)
	switch {
	case errors.Is(err, repo.ErrNotHeld):
		return Receipt{}, conflictf("run %s is not held, so there is nothing to approve", runID)
	case errors.Is(err, repo.ErrConflict):
		return Receipt{}, conflictf("the same request is under way already: see \"enqueue runs list\"")
	case err != nil:
		return Receipt{}, runError(runID, err)
	}
	return e.queued(ctx, run, false), nil
}
