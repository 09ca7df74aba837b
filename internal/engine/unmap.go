package engine

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// UnmapNow unmaps mappings at once, without the queue and without Halo, and returns the
// outcome of each, in the order given. It wins over runs in progress: they do not map
// these clients again. An invalid id is a [*UsageError]; then nothing is unmapped.
func (e *Engine) UnmapNow(ctx context.Context, tenant, actor string, ids []string) ([]repo.MappingOutcome, error) {
	mappings, err := mappingIDs(ids)
	if err != nil {
		return nil, err
	}
	return e.store.Unmap(ctx, tenant, actor, mappings)
}

// mappingIDs parses mapping ids and drops duplicates.
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
