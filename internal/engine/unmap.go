package engine

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

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
