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

// Run returns a run of the tenant with its items.
func (e *Engine) Run(ctx context.Context, tenant, runID string) (repo.Run, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return repo.Run{}, err
	}
	run, err := e.store.Run(ctx, tenant, id)
	if errors.Is(err, repo.ErrNotFound) && e.dispatch.Adopt(ctx, tenant, id) {
		run, err = e.store.Run(ctx, tenant, id)
	}
	return run, runError(runID, err)
}

// Cancel cancels a run. A queued run ends at once; a running run ends after its current
// batch. Cancel is safe to repeat.
func (e *Engine) Cancel(ctx context.Context, tenant, runID, actor string) (repo.Run, error) {
	id, err := parseRunID(runID)
	if err != nil {
		return repo.Run{}, err
	}
	run, err := e.store.RequestCancel(ctx, tenant, id, actor)
	if errors.Is(err, repo.ErrNotFound) && e.dispatch.Adopt(ctx, tenant, id) {
		run, err = e.store.RequestCancel(ctx, tenant, id, actor)
	}
	if err == nil {
		e.dispatch.RunNow(ctx, id) // so that a waiting client gets the result at once
	}
	return run, runError(runID, err)
}

// Watch waits until the run has ended and returns it. It calls show with the current
// state of the run at every interval, and once more at the end.
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

// Retry repeats the request of a finished run. For an unfinished run, Retry returns the
// same run, so it is safe to repeat. If the unfinished run is delayed, it becomes due
// at once.
func (e *Engine) Retry(ctx context.Context, tenant, runID, actor string) (Receipt, error) {
	run, err := e.Run(ctx, tenant, runID)
	switch {
	case err != nil:
		return Receipt{}, err
	case !run.Ended() && run.CancelRequestedAt != nil:
		return Receipt{}, conflictf("run %s is being cancelled: retry it once it has ended", runID)
	case run.State == repo.StateRunning:
		return Receipt{RunID: RunID(run.ID), Existing: true}, nil
	case !run.Ended():
		receipt := e.dispatch.Queue(ctx, run, true)
		if receipt.NotQueued == nil {
			e.dispatch.RunNow(ctx, run.ID)
		}
		return receipt, nil
	}
	switch run.Kind {
	case repo.KindMap:
		args, err := mapArgs(run)
		if err != nil {
			return Receipt{}, err
		}
		return e.RequestMap(ctx, tenant, MapRequest{
			Connection: args.ConnectionID, Pairs: args.Pairs, Replace: args.Replace, Suggested: args.Suggested, RequestedBy: actor,
		})
	case repo.KindUnmap:
		var args tasks.UnmapArgs
		if err := readArgs(run, &args); err != nil {
			return Receipt{}, err
		}
		return e.RequestUnmap(ctx, tenant, args.ConnectionID, args.MappingIDs, actor)
	case repo.KindResync:
		return e.RequestResync(ctx, tenant, run.ConnectionID.String(), actor)
	case repo.KindSuggest:
		return e.RequestSuggestions(ctx, tenant, run.ConnectionID.String(), actor)
	case repo.KindImport:
		return e.retryImport(ctx, tenant, run, actor)
	}
	return Receipt{}, usagef("run %s is of kind %s, which this version cannot retry", runID, run.Kind)
}

func (e *Engine) retryImport(ctx context.Context, tenant string, run repo.Run, actor string) (Receipt, error) {
	args, err := importArgs(run)
	if err != nil {
		return Receipt{}, err
	}
	return e.RequestImport(ctx, tenant, ImportRequest{
		Connection: args.ConnectionID, All: args.All, Search: args.Search, ClientIDs: args.ClientIDs,
		DryRun: args.DryRun, RequestedBy: actor,
	})
}

// readArgs reads a run's arguments from the ledger.
func readArgs(run repo.Run, args any) error {
	if err := json.Unmarshal(run.Args, args); err != nil {
		return fmt.Errorf("arguments of run %s: %w", RunID(run.ID), err)
	}
	return nil
}

func mapArgs(run repo.Run) (args tasks.MapArgs, err error) {
	err = readArgs(run, &args)
	return args, err
}

func importArgs(run repo.Run) (args tasks.ImportArgs, err error) {
	err = readArgs(run, &args)
	return args, err
}

// Pairs returns the requested pairs of a map run, or nil for other kinds of run.
func Pairs(run repo.Run) ([]tasks.Pair, error) {
	if run.Kind != repo.KindMap {
		return nil, nil
	}
	args, err := mapArgs(run)
	return args.Pairs, err
}

// IsDryRun reports whether a run is a dry run. A dry run writes only its own record.
func IsDryRun(run repo.Run) bool {
	args, err := importArgs(run)
	return err == nil && run.Kind == repo.KindImport && args.DryRun
}

// Approve approves a held run. The run starts from the beginning and reads Halo again.
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
		return Receipt{}, conflictf("the same request is already in progress: see \"enqueue runs list\"")
	case err != nil:
		return Receipt{}, runError(runID, err)
	}
	return e.dispatch.Queue(ctx, run, false), nil
}
