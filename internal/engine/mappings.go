package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// UnmapNow unmaps mappings at once, without the queue and without requests to Halo. It
// returns the outcome of each mapping, in the given order. Runs in progress do not map
// these clients again. If an id is invalid, UnmapNow unmaps nothing and returns a
// [*UsageError].
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

// Restore restores deleted mappings under their previous ids and returns the outcome of
// each, in the given order. It reads each client from Halo. If it cannot read a client,
// the mapping becomes unverified and Restore returns no error. If an id is invalid,
// Restore restores nothing and returns a [*UsageError].
func (e *Engine) Restore(ctx context.Context, tenant, actor string, ids []string) ([]repo.MappingOutcome, error) {
	wanted, err := mappingIDs(ids)
	if err != nil {
		return nil, err
	}
	known, err := e.store.MappingsByID(ctx, tenant, wanted)
	if err != nil {
		return nil, err
	}
	readers := make(map[uuid.UUID]*sideReader)
	sides := make(map[uuid.UUID]repo.HaloSide)
	for _, id := range wanted {
		m, ok := known[id]
		if !ok || m.DeletedAt == nil || m.CompanyID == uuid.Nil {
			continue // will not be restored, so there is no need to read the client
		}
		r := readers[m.ConnectionID]
		if r == nil {
			r = &sideReader{}
			_, r.api, r.down = e.dial.Open(ctx, tenant, m.ConnectionID, ratelimit.Interactive)
			readers[m.ConnectionID] = r
		}
		sides[id] = r.read(ctx, m.ClientID)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return e.store.Restore(ctx, tenant, actor, wanted, sides)
}

// sideReader reads clients of one connection until a request to Halo fails.
type sideReader struct {
	api     *halo.API
	down    error   // why the reader has stopped
	doubted *string // why a 404 is not proof; empty if it is, nil if not yet checked
}

func (r *sideReader) read(ctx context.Context, client int64) repo.HaloSide {
	if r.down != nil {
		return sideOf(halo.Client{}, r.down)
	}
	reading, err := proof.Client(ctx, r.api, client)
	switch {
	case err != nil:
		r.down = err // skip the other clients, which would fail just as slowly
		return sideOf(halo.Client{}, err)
	case reading.Status == proof.Missing:
		return r.absent(ctx)
	case reading.Status == proof.Broken:
		r.down = reading.Err
	}
	return sideOf(reading.Client, reading.Err)
}

// absent returns the Halo side of a client after a 404. The client is missing, unless
// the agent gets a 404 for every client.
func (r *sideReader) absent(ctx context.Context) repo.HaloSide {
	if r.doubted == nil {
		doubt, err := proof.Absence(ctx, r.api)
		if err != nil {
			r.down = err
			return sideOf(halo.Client{}, err)
		}
		r.doubted = &doubt
	}
	if *r.doubted != "" {
		return repo.HaloSide{State: repo.MappingUnverified, Reason: "restored; " + *r.doubted}
	}
	return sideOf(halo.Client{}, halo.ErrNotFound)
}

// sideOf derives the Halo side of a restored mapping from the client that was read.
func sideOf(c halo.Client, err error) repo.HaloSide {
	switch {
	case errors.Is(err, halo.ErrNotFound):
		return repo.HaloSide{State: repo.MappingMissing, Reason: "restored; Halo does not show its client: it was deleted, or the agent may not read it"}
	case err != nil:
		return repo.HaloSide{State: repo.MappingUnverified, Reason: "restored; Halo could not be read: " + dispatch.Reason(err)}
	case c.Inactive:
		return repo.HaloSide{State: repo.MappingInactive, Name: c.Name, Inactive: true}
	}
	return repo.HaloSide{State: repo.MappingOK, Name: c.Name}
}
