// Package importer executes imports: clients of Halo become companies of the product,
// each with a mapping. A pure function in plan.go decides what happens to each client,
// from Halo's data and the stored data.
package importer

import (
	"context"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/listing"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Importer executes import runs. It is safe for concurrent use.
type Importer struct {
	store *repo.Store
	dial  *dial.Dialer
	runs  *run.Executor
}

// New returns an importer.
func New(store *repo.Store, d *dial.Dialer, runs *run.Executor) *Importer {
	return &Importer{store, d, runs}
}

// Import executes an import run; see [run.Execute] for what it returns.
func (im *Importer) Import(ctx context.Context, job tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
	return run.Execute(ctx, im.runs, repo.KindImport, job, func(ctx context.Context, x *run.Execution) (run.Result, error) {
		_, api, end, err := listing.Open(ctx, im.store, im.dial, x, dial.ClassOf(tasks.Import().Queue(job.Args)))
		if err != nil || end.State != "" {
			return end, err
		}
		list, err := listing.New(ctx, im.store, api, x)
		if err != nil {
			return run.Result{}, err
		}
		if job.Args.DryRun {
			// A dry run keeps its links only in this process's memory, so it must finish
			// in one execution.
			list.Slice.Endless()
		}
		list.Query.Search, list.Wanted = job.Args.Search, job.Args.ClientIDs
		i := &execution{
			Listing: list, store: im.store, api: api, run: x, args: job.Args, planner: newPlanner(len(job.Args.ClientIDs) > 0),
		}
		list.Write = func(ctx context.Context, b listing.Batch) (bool, error) { return i.write(ctx, b, nil) }
		return i.execute(ctx)
	})
}

// execution is one execution of an import run. One transaction stores a batch, the
// decisions on its clients and the next checkpoint.
type execution struct {
	*listing.Listing
	store   *repo.Store
	api     *halo.API
	run     *run.Execution
	args    tasks.ImportArgs
	planner *planner
}

// execute reads the requested clients and returns the outcome.
func (i *execution) execute(ctx context.Context) (run.Result, error) {
	if !i.Cursor.Listed {
		needed, err := i.listPays(ctx)
		if err != nil {
			return run.Result{}, err
		}
		if needed {
			if end, err := i.Read(ctx); err != nil || end.State != "" {
				return end, err
			}
		}
		i.Cursor.Listed = true
	}
	if len(i.args.ClientIDs) > 0 {
		return i.readByID(ctx)
	}
	if !i.Cursor.Complete {
		return run.Result{State: repo.StatePartial, Reason: i.Cursor.Reason}, nil
	}
	end := run.Result{State: repo.StateSucceeded, Complete: true}
	if i.args.All {
		end.Pages = i.LastPassPages() // saves the next resync a request
	}
	return end, nil
}

// listPays reports whether reading the list takes fewer requests than reading single
// clients.
func (i *execution) listPays(ctx context.Context) (bool, error) {
	ids := len(i.args.ClientIDs)
	if ids == 0 || i.Cursor.List.NextPage > 1 || i.Cursor.Pass > 1 {
		return true, nil
	}
	pages, err := proof.ListPages(ctx, i.api, i.Query, ids)
	return pages > 0, err
}

// write decides on each client of a batch and commits the batch. The clients listed in
// skips could not be read.
func (i *execution) write(ctx context.Context, b listing.Batch, skips []repo.RunItem) (cancelled bool, err error) {
	rows, norms := listing.Rows(b.Clients)
	raw, err := i.Cursor.Encode()
	if err != nil {
		return false, err
	}
	res, err := i.store.ImportBatch(ctx, i.run.Ref, repo.ImportBatch{
		Pass: b.Pass, Page: b.Page, Pages: b.Pages,
		Clients: rows, NormNames: norms, PageIDs: b.IDs, Skips: skips,
		Cursor: raw, RecordsTotal: i.Total, DryRun: i.args.DryRun,
	}, func(state repo.BatchState) ([]repo.Decision, error) {
		return i.planner.plan(rows, norms, state), nil
	})
	if err == nil && !res.Repeated {
		i.run.Wrote(max(1, b.Pages), len(rows)+len(skips))
	}
	return res.Cancelled, err
}

const (
	// byIDChunk is the number of clients read by id in one transaction.
	byIDChunk = 25
	// byIDPass marks clients read by id. Passes over a list are numbered from 1.
	byIDPass = 0
)

// readByID reads, by id, the chosen clients that were not in the list. A list can miss a
// client, a 404 cannot.
func (i *execution) readByID(ctx context.Context) (run.Result, error) {
	var rest []int64
	for _, id := range i.args.ClientIDs {
		if !i.Handled.Has(id) {
			rest = append(rest, id)
		}
	}
	i.Total = len(i.args.ClientIDs)
	for len(rest) > 0 {
		chunk := rest[:min(byIDChunk, len(rest))]
		rest = rest[len(chunk):]
		clients, skips, err := i.fetch(ctx, chunk)
		if err != nil {
			return run.Result{}, err
		}
		i.Cursor.ByID += len(chunk)
		i.Cursor.Complete = true
		cancelled, err := i.write(ctx, listing.Batch{Pass: byIDPass, Page: i.Cursor.ByID, Pages: 1, Clients: clients, IDs: chunk}, skips)
		if err != nil {
			return run.Result{}, err
		}
		if cancelled {
			return run.Result{State: repo.StateCancelled, Reason: "cancelled after " + plaintext.Plural(i.Cursor.ByID, "client", "clients")}, nil
		}
		if len(rest) == 0 {
			break
		}
		if err := i.Slice.Over(ctx); err != nil {
			return run.Result{}, err
		}
	}
	return run.Result{State: repo.StateSucceeded, Complete: true}, nil
}

// fetch reads clients by id. A client that does not exist, or that the agent may not
// read, becomes an item of the run.
func (i *execution) fetch(ctx context.Context, ids []int64) (found []halo.Client, skips []repo.RunItem, err error) {
	readings, err := proof.ByID(ctx, i.api, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range readings {
		switch r.Status {
		case proof.Found:
			found = append(found, r.Client)
		case proof.Missing:
			skips = append(skips, repo.RunItem{ClientID: r.ID, Outcome: repo.Failed, Reason: "Halo does not show it: it does not exist, or the agent may not read it"})
		case proof.Invalid:
			skips = append(skips, repo.RunItem{ClientID: r.ID, Outcome: repo.Failed, Reason: "Halo does not accept this id"})
		case proof.Forbidden:
			skips = append(skips, repo.RunItem{ClientID: r.ID, Outcome: repo.Failed, Reason: "the application's agent is not allowed to read this client"})
		default:
			return nil, nil, r.Err
		}
	}
	return found, skips, nil
}
