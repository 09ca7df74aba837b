// Package mapper executes map and unmap runs: it maps pairs of an existing company and a
// client of Halo, and unmaps mappings. A pure function in decide.go decides the outcome
// of each pair, from Halo's data and the stored data.
package mapper

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Mapper executes map and unmap runs. It is safe for concurrent use.
type Mapper struct {
	store *repo.Store
	dial  *dial.Dialer
	runs  *run.Executor
}

// New returns a mapper.
func New(store *repo.Store, d *dial.Dialer, runs *run.Executor) *Mapper {
	return &Mapper{store, d, runs}
}

// Map executes a map run; see [run.Execute] for what it returns.
func (m *Mapper) Map(ctx context.Context, job tasks.Job[tasks.MapArgs]) (tasks.RunResult, error) {
	return run.Execute(ctx, m.runs, repo.KindMap, job, func(ctx context.Context, x *run.Execution) (run.Result, error) {
		e := execution{store: m.store, args: job.Args, run: x}
		if err := e.restore(x.Cursor); err != nil {
			return run.Result{}, err
		}
		_, api, err := m.dial.Open(ctx, job.Args.Tenant, x.Ref.ConnectionID, dial.ClassOf(tasks.Map().Queue(job.Args)))
		if err != nil {
			return run.Result{}, err
		}
		e.found = newLookup(api)
		return e.execute(ctx)
	})
}

// Unmap executes an unmap run; see [run.Execute] for what it returns.
func (m *Mapper) Unmap(ctx context.Context, job tasks.Job[tasks.UnmapArgs]) (tasks.RunResult, error) {
	return run.Execute(ctx, m.runs, repo.KindUnmap, job, func(ctx context.Context, x *run.Execution) (run.Result, error) {
		ids := make([]uuid.UUID, len(job.Args.MappingIDs))
		for i, text := range job.Args.MappingIDs {
			var err error
			if ids[i], err = uuid.Parse(text); err != nil {
				return run.Result{}, fmt.Errorf("mapping %q: %w", text, err)
			}
		}
		cancelled, err := m.store.UnmapRun(ctx, x.Ref, ids)
		switch {
		case err != nil:
			return run.Result{}, err
		case cancelled:
			return run.Result{State: repo.StateCancelled, Reason: "cancelled"}, nil
		}
		x.Wrote(1, len(ids))
		return run.Result{State: repo.StateSucceeded, Complete: true}, nil
	})
}

// chunkSize is the number of pairs in one transaction.
const chunkSize = 50

// execution is one execution of a map run. One transaction stores the outcomes of a chunk
// of pairs and the next checkpoint.
type execution struct {
	store *repo.Store
	args  tasks.MapArgs
	run   *run.Execution
	found *lookup

	done int // pairs that have an outcome
}

// checkpoint is what a map run stores with each chunk.
type checkpoint struct {
	Done int `json:"done"` // pairs that have an outcome
}

func (e *execution) restore(raw json.RawMessage) error {
	var c checkpoint
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &c); err != nil {
			return fmt.Errorf("checkpoint of the run: %w", err)
		}
	}
	e.done = min(max(c.Done, 0), len(e.args.Pairs))
	return nil
}

// execute processes the pairs chunk by chunk. The time slice starts only after the list
// has been read. The list is kept only in memory, so the next execution would have to
// read it again.
func (e *execution) execute(ctx context.Context) (run.Result, error) {
	pairs := e.args.Pairs
	if err := e.found.list(ctx, pairs[e.done:], e.run.Draining()); err != nil {
		return run.Result{}, err
	}
	slice := e.run.Slice()
	for e.done < len(pairs) {
		chunk := pairs[e.done:min(e.done+chunkSize, len(pairs))]
		if err := e.found.read(ctx, chunk); err != nil {
			return run.Result{}, err
		}
		cancelled, err := e.write(ctx, chunk)
		if err != nil {
			return run.Result{}, fmt.Errorf("pairs from %d: %w", e.done+1, err)
		}
		e.run.Wrote(1, len(chunk))
		e.done += len(chunk)
		if cancelled {
			return run.Result{State: repo.StateCancelled, Reason: fmt.Sprintf("cancelled after %s of %s", plaintext.Count(e.done), plaintext.Plural(len(pairs), "pair", "pairs"))}, nil
		}
		if e.done < len(pairs) {
			if err := slice.Over(ctx); err != nil {
				return run.Result{}, err
			}
		}
	}
	return run.Result{State: repo.StateSucceeded, Complete: true}, nil
}

// write commits one chunk and reports whether the run was cancelled.
func (e *execution) write(ctx context.Context, pairs []tasks.Pair) (cancelled bool, err error) {
	raw, err := json.Marshal(checkpoint{Done: e.done + len(pairs)})
	if err != nil {
		return false, err
	}
	chunk := repo.MapChunk{
		Number: e.done/chunkSize + 1, Cursor: raw, RecordsTotal: len(e.args.Pairs),
		MappedBy: "map", How: "map",
	}
	if e.args.Suggested {
		chunk.MappedBy, chunk.How = "suggest", "map: suggestion accepted"
	}
	requested := make([]requestedPair, len(pairs))
	for i, p := range pairs {
		requested[i] = requestedPair{number: e.done + i + 1, company: p.Company, client: e.found.answer(p)}
		id, _ := uuid.Parse(p.Company) // if Company is not an id, this is the zero id, which no company has
		chunk.Pairs = append(chunk.Pairs, repo.PairLookup{
			Number: requested[i].number, CompanyID: id, Company: p.Company, Norm: names.Normalise(p.Company),
			ClientID: requested[i].client.ID,
		})
	}
	return e.store.MapPairs(ctx, e.run.Ref, chunk, func(state repo.MapState) ([]repo.PairDecision, error) {
		return newDecider(state, e.args.Replace).decide(requested), nil
	})
}
