package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Run reads one run of the tenant with its items.
func (e *Engine) Run(ctx context.Context, tenant, runID string) (repo.Run, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return repo.Run{}, err
	}
	run, err := e.store.Run(ctx, tenant, id)
	return run, runError(runID, err)
}

// Cancel asks a run to stop: a queued one ends at once, a running one after
// the page in hand. It is safe to repeat.
func (e *Engine) Cancel(ctx context.Context, tenant, runID, actor string) (repo.Run, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return repo.Run{}, err
	}
	run, err := e.store.RequestCancel(ctx, tenant, id, actor)
	return run, runError(runID, err)
}

// Watch calls show with the run as it stands, at every interval and once at
// its end, and returns the ended run.
func (e *Engine) Watch(ctx context.Context, tenant, runID string, every time.Duration, show func(repo.Run)) (repo.Run, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		run, err := e.Run(ctx, tenant, runID)
		if err != nil {
			return run, err
		}
		show(run)
		if run.Ended() {
			return run, nil
		}
		select {
		case <-ctx.Done():
			return run, ctx.Err()
		case <-tick.C:
		}
	}
}

// Rejected closes the record of a run whose payload could not be read.
func (e *Engine) Rejected(ctx context.Context, r tasks.Rejected) error {
	return e.reject(ctx, r.Tenant, r.RunID, reason(r.Err))
}

func parseRunID(runID string) (uuid.UUID, error) {
	id, err := uuid.Parse(runID)
	if err != nil {
		return id, usagef("run %q: want the 32 hex digits that import printed", runID)
	}
	return id, nil
}

func runError(runID string, err error) error {
	if errors.Is(err, repo.ErrNotFound) {
		return &NotFoundError{"run", runID, `"enqueue runs list" shows those of this tenant`}
	}
	return err
}

// Retry requests anew what an ended run was asked for. A run that has not
// ended is its own answer, so repeating a retry is safe.
func (e *Engine) Retry(ctx context.Context, tenant, runID, actor string) (Receipt, error) {
	run, err := e.Run(ctx, tenant, runID)
	if err != nil {
		return Receipt{}, err
	}
	if !run.Ended() {
		return Receipt{RunID: RunID(run.ID), Existing: true}, nil
	}
	if run.Kind != repo.KindImport {
		return Receipt{}, usagef("run %s is of kind %s, which this version cannot retry", runID, run.Kind)
	}
	args, err := importArgs(run)
	if err != nil {
		return Receipt{}, err
	}
	return e.RequestImport(ctx, tenant, ImportRequest{
		Connection: args.ConnectionID, All: args.All, Search: args.Search, ClientIDs: args.ClientIDs,
		DryRun: args.DryRun, RequestedBy: actor,
	})
}

// importArgs reads an import's arguments from the ledger.
func importArgs(run repo.Run) (tasks.ImportArgs, error) {
	var args tasks.ImportArgs
	if err := json.Unmarshal(run.Args, &args); err != nil {
		return args, fmt.Errorf("arguments of run %s: %w", RunID(run.ID), err)
	}
	return args, nil
}

// IsDryRun says whether a run writes nothing but itself.
func IsDryRun(run repo.Run) bool {
	args, err := importArgs(run)
	return err == nil && run.Kind == repo.KindImport && args.DryRun
}
