package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// importer is one execution of an import run. The page is its unit: what a
// page brought, the decisions on it and the checkpoint behind it are one
// transaction.
type importer struct {
	*walk
	args    tasks.ImportArgs
	planner *planner
}

// newImporter restores a run from its checkpoint.
func (e *Engine) newImporter(ctx context.Context, job tasks.Job[tasks.ImportArgs], claim repo.Claim, api *halo.API) (*importer, error) {
	turn := e.newTurn(claim.Ref, job.Draining)
	if job.Args.DryRun {
		// What a dry run would have linked is in this process's memory only,
		// so it goes through in one piece.
		turn.ends = time.Time{}
	}
	w, err := e.newWalk(api, claim, turn)
	if err != nil {
		return nil, err
	}
	w.query.Search, w.wanted = job.Args.Search, job.Args.ClientIDs
	im := &importer{walk: w, args: job.Args, planner: newPlanner(len(job.Args.ClientIDs) > 0)}
	w.write = im.writePage
	return im, w.restore(ctx)
}

// run reads what the request asks for and judges what was read.
func (im *importer) run(ctx context.Context) (ending, error) {
	if !im.cur.Listed {
		needed, err := im.listingPays(ctx)
		if err != nil {
			return ending{}, err
		}
		if needed {
			if end, err := im.list(ctx); err != nil || end.state != "" {
				return end, err
			}
		}
		im.cur.Listed = true
	}
	if len(im.args.ClientIDs) > 0 {
		return im.readByID(ctx)
	}
	if !im.cur.Complete {
		return ending{state: repo.StatePartial, reason: im.cur.Reason}, nil
	}
	end := ending{state: repo.StateSucceeded, complete: true}
	if im.args.All {
		end.pages = im.lastPassPages() // spares the next resync a request
	}
	return end, nil
}

// listingPays says whether the listing is the cheaper way, in requests, to
// what was asked for.
func (im *importer) listingPays(ctx context.Context) (bool, error) {
	ids := len(im.args.ClientIDs)
	if ids == 0 || im.cur.List.NextPage > 1 || im.cur.Pass > 1 {
		return true, nil
	}
	pages, err := listingPages(ctx, im.api, im.query, ids)
	return pages > 0, err
}

// writePage decides on what a page brought and commits it.
func (im *importer) writePage(ctx context.Context, p pagePart) (cancelled bool, err error) {
	rows, norms := rowsOf(p.clients)
	raw, err := im.cur.encode()
	if err != nil {
		return false, err
	}
	res, err := im.store.ImportPage(ctx, im.ref, repo.ImportPage{
		Pass: p.pass, Page: p.page, Pages: p.pages,
		Clients: rows, NormNames: norms, PageIDs: p.ids, Skips: p.skips,
		Cursor: raw, RecordsTotal: im.total, DryRun: im.args.DryRun,
	}, func(state repo.PageState) ([]repo.Decision, error) {
		return im.planner.plan(rows, norms, state), nil
	})
	if err == nil && !res.Repeated {
		im.wrote(max(1, p.pages), len(rows)+len(p.skips))
	}
	return res.Cancelled, err
}

// rowsOf turns Halo's records into the catalogue's, in ascending order of id,
// with their normalised names.
func rowsOf(clients []halo.Client) ([]repo.Client, []string) {
	byID := func(a, b halo.Client) int { return cmp.Compare(a.ID, b.ID) }
	if !slices.IsSortedFunc(clients, byID) { // as Halo sends them
		clients = slices.SortedFunc(slices.Values(clients), byID)
	}
	rows, norms := make([]repo.Client, len(clients)), make([]string, len(clients))
	for i, c := range clients {
		rows[i] = row(c)
		norms[i] = NormaliseName(c.Name)
	}
	return rows, norms
}
