package engine

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Unmap executes an unmap run; see perform for what it returns.
func (e *Engine) Unmap(ctx context.Context, job tasks.Job[tasks.UnmapArgs]) (tasks.RunResult, error) {
	x, err := newExecution(repo.KindUnmap, job, job.Args.Tenant, job.Args.ConnectionID, job.Args.RequestedBy)
	if err != nil {
		return tasks.RunResult{}, tasks.Never(err)
	}
	return e.perform(ctx, x, func(ctx context.Context, claim repo.Claim) (ending, error) {
		ids, err := mappingIDs(job.Args.MappingIDs)
		if err != nil {
			return ending{}, err
		}
		cancelled, err := e.store.UnmapRun(ctx, claim.Ref, ids)
		switch {
		case err != nil:
			return ending{}, err
		case cancelled:
			return ending{state: repo.StateCancelled, reason: "cancelled"}, nil
		}
		e.wrote(repo.KindUnmap, 1, len(ids))
		return ending{state: repo.StateSucceeded, complete: true}, nil
	})
}

// RequestUnmap writes an unmap run into the ledger and puts it into the queue.
// It gives the errors of [Engine.RequestImport], but a connection that is not
// in use will do: Halo is not asked.
func (e *Engine) RequestUnmap(ctx context.Context, tenant, connection string, ids []string, actor string) (Receipt, error) {
	conn, err := e.FindConnection(ctx, tenant, connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.UnmapArgs{Tenant: tenant, ConnectionID: conn.ID.String(), MappingIDs: ids, RequestedBy: actor}
	return request(ctx, e, repo.KindUnmap, args, tenant, conn.ID.String(), actor)
}

// UnmapNow deletes mappings at once, without queue and Halo, and says what
// became of each, in the order given. It wins against runs that are under
// way: what they do after it leaves the clients alone. A [*UsageError] names
// an id that is none; then nothing is deleted.
func (e *Engine) UnmapNow(ctx context.Context, tenant, actor string, ids []string) ([]repo.MappingOutcome, error) {
	mappings, err := mappingIDs(ids)
	if err != nil {
		return nil, err
	}
	return e.store.Unmap(ctx, tenant, actor, mappings)
}

// mappingIDs reads ids as people write them, each once.
func mappingIDs(texts []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, usagef(`mapping %q: want an id as "enqueue mappings" shows it`, text)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) > tasks.MaxMappings {
		return nil, usagef("%d mappings given, at most %d are allowed at once", len(ids), tasks.MaxMappings)
	}
	return ids, nil
}
