package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// MapRequest says which companies to map to which clients of a connection.
type MapRequest struct {
	Connection  string       // name or id
	Pairs       []tasks.Pair // 1 to [tasks.MaxPairs]
	Replace     bool         // re-point what is mapped elsewhere
	Suggested   bool         // the pairs are suggestions that were accepted
	RequestedBy string
}

// RequestMap writes the run into the ledger and puts it into the queue. It
// gives the errors of [Engine.RequestImport].
func (e *Engine) RequestMap(ctx context.Context, tenant string, req MapRequest) (Receipt, error) {
	conn, err := e.usable(ctx, tenant, req.Connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.MapArgs{
		Tenant: tenant, ConnectionID: conn.ID.String(), Pairs: req.Pairs,
		Replace: req.Replace, Suggested: req.Suggested, RequestedBy: req.RequestedBy,
	}
	return request(ctx, e, repo.KindMap, args, tenant, conn.ID.String(), req.RequestedBy)
}

// Map executes a map run; see perform for what it returns.
func (e *Engine) Map(ctx context.Context, job tasks.Job[tasks.MapArgs]) (tasks.RunResult, error) {
	x, err := newExecution(repo.KindMap, job, job.Args.Tenant, job.Args.ConnectionID, job.Args.RequestedBy)
	if err != nil {
		return tasks.RunResult{}, tasks.Never(err)
	}
	return e.perform(ctx, x, func(ctx context.Context, claim repo.Claim) (ending, error) {
		m := mapRun{store: e.store, job: job, ref: claim.Ref, wrote: e.wrote}
		if err := m.restore(claim.Cursor); err != nil {
			return ending{}, err
		}
		_, api, err := e.open(ctx, job.Args.Tenant, claim.Ref.ConnectionID, classOf(tasks.Map().Queue(job.Args)))
		if err != nil {
			return ending{}, err
		}
		m.found = newLookup(api)
		return m.run(ctx, func() *turn { return e.newTurn(claim.Ref, job.Draining) })
	})
}

// mapChunk is how many pairs share a transaction.
const mapChunk = 50

// mapRun is one execution of a map run. The chunk is its unit: the outcomes of
// its pairs and the checkpoint behind it are one transaction.
type mapRun struct {
	store *repo.Store
	job   tasks.Job[tasks.MapArgs]
	ref   repo.RunRef
	found *lookup
	wrote func(kind string, pages, records int)

	done int // pairs that have an outcome
}

// mapCursor is the checkpoint of a map run.
type mapCursor struct {
	Done int `json:"done"` // pairs that have an outcome
}

func (m *mapRun) restore(raw json.RawMessage) error {
	var cur mapCursor
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &cur); err != nil {
			return fmt.Errorf("checkpoint of the run: %w", err)
		}
	}
	m.done = min(max(cur.Done, 0), len(m.job.Args.Pairs))
	return nil
}

// run takes the pairs chunk by chunk. Its turn begins after the listing,
// which is in memory only and would be read for nothing otherwise.
func (m *mapRun) run(ctx context.Context, begin func() *turn) (ending, error) {
	pairs := m.job.Args.Pairs
	if err := m.found.list(ctx, pairs[m.done:], m.job.Draining); err != nil {
		return ending{}, err
	}
	turn := begin()
	for m.done < len(pairs) {
		chunk := pairs[m.done:min(m.done+mapChunk, len(pairs))]
		if err := m.found.read(ctx, chunk); err != nil {
			return ending{}, err
		}
		cancelled, err := m.write(ctx, chunk)
		if err != nil {
			return ending{}, fmt.Errorf("pairs from %d: %w", m.done+1, err)
		}
		m.wrote(repo.KindMap, 1, len(chunk))
		m.done += len(chunk)
		if cancelled {
			return ending{state: repo.StateCancelled, reason: fmt.Sprintf("cancelled after %d of %d pairs", m.done, len(pairs))}, nil
		}
		if m.done < len(pairs) {
			if err := turn.over(ctx); err != nil {
				return ending{}, err
			}
		}
	}
	return ending{state: repo.StateSucceeded, complete: true}, nil
}

// write commits one chunk and says whether the run was cancelled.
func (m *mapRun) write(ctx context.Context, pairs []tasks.Pair) (cancelled bool, err error) {
	raw, err := json.Marshal(mapCursor{Done: m.done + len(pairs)})
	if err != nil {
		return false, err
	}
	chunk := repo.MapChunk{
		Number: m.done/mapChunk + 1, Cursor: raw, RecordsTotal: len(m.job.Args.Pairs),
		MappedBy: "map", How: "map",
	}
	if m.job.Args.Suggested {
		chunk.MappedBy, chunk.How = "suggest", "map: suggestion accepted"
	}
	asked := make([]askedPair, len(pairs))
	for i, p := range pairs {
		asked[i] = askedPair{number: m.done + i + 1, company: p.Company, client: m.found.answer(p)}
		id, _ := uuid.Parse(p.Company) // the zero id, which no company has, if it is none
		chunk.Pairs = append(chunk.Pairs, repo.PairLookup{
			Number: asked[i].number, CompanyID: id, Company: p.Company, Norm: NormaliseName(p.Company),
			ClientID: asked[i].client.ID,
		})
	}
	return m.store.MapPairs(ctx, m.ref, chunk, func(state repo.MapState) ([]repo.PairDecision, error) {
		return newMapper(state, m.job.Args.Replace).decide(asked), nil
	})
}
