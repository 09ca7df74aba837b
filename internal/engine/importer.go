package engine

import (
	"context"
	"fmt"
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
	store   *repo.Store
	api     *halo.API
	job     tasks.Job[tasks.ImportArgs]
	ref     repo.RunRef
	planner *planner
	until   time.Time // end of the time slice; zero for none

	cur     cursor
	handled *halo.IDSet // ids that have been decided on in this run
	total   int         // clients to expect, as far as is known
}

// newImporter restores a run from its checkpoint.
func (e *Engine) newImporter(ctx context.Context, job tasks.Job[tasks.ImportArgs], claim repo.Claim) (*importer, error) {
	cur, err := readCursor(claim.Cursor)
	if err != nil {
		return nil, err
	}
	_, api, err := e.open(ctx, job.Args.Tenant, claim.Ref.ConnectionID)
	if err != nil {
		return nil, err
	}
	im := &importer{
		store: e.store, api: api, job: job, ref: claim.Ref,
		planner: newPlanner(len(job.Args.ClientIDs) > 0),
		cur:     cur, handled: &halo.IDSet{}, total: claim.Run.RecordsTotal,
	}
	if !job.Args.DryRun {
		// What a dry run would have linked is in this process's memory only,
		// so it goes through in one piece.
		im.until = time.Now().Add(e.slice)
	}
	return im, im.restore(ctx)
}

// restore reads back which ids the run has seen: all of them, and those of
// the current pass.
func (im *importer) restore(ctx context.Context) error {
	im.cur.List.Seen = &halo.IDSet{}
	for page, err := range im.store.SeenPages(ctx, im.ref) {
		if err != nil {
			return fmt.Errorf("seen clients of the run: %w", err)
		}
		for _, id := range page.ClientIDs {
			im.handled.Add(id)
			if page.Pass == im.cur.Pass {
				im.cur.List.Seen.Add(id)
			}
		}
	}
	return nil
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
	if len(im.job.Args.ClientIDs) > 0 {
		return im.readByID(ctx)
	}
	if !im.cur.Complete {
		return ending{state: repo.StatePartial, reason: im.cur.Reason}, nil
	}
	return ending{state: repo.StateSucceeded, complete: true}, nil
}

// listingPays says whether the listing is the cheaper way, in requests, to
// what was asked for.
func (im *importer) listingPays(ctx context.Context) (bool, error) {
	ids := len(im.job.Args.ClientIDs)
	if ids == 0 || im.cur.List.NextPage > 1 || im.cur.Pass > 1 {
		return true, nil
	}
	pages, err := listingPages(ctx, im.api, im.query(), ids)
	return pages > 0, err
}

func (im *importer) query() halo.Query {
	return halo.Query{Search: im.job.Args.Search, IncludeInactive: true, VerifyTail: true}
}

// stop returns why this execution should end at the page boundary it is at,
// or nil.
func (im *importer) stop() error {
	return stopAt(im.job.Draining, im.until)
}

// write commits one page of a pass: decisions, checkpoint and counts. pageIDs are the
// ids that the page showed for the first time in this pass; clients those
// that the run has not decided on yet. It says whether the run was cancelled.
func (im *importer) write(ctx context.Context, pass, page int, clients []halo.Client, pageIDs []int64, skips []repo.RunItem) (cancelled bool, err error) {
	rows, norms := rowsOf(clients)
	raw, err := im.cur.encode()
	if err != nil {
		return false, err
	}
	res, err := im.store.ImportPage(ctx, im.ref, repo.ImportPage{
		Pass: pass, Page: page,
		Clients: rows, NormNames: norms, PageIDs: pageIDs, Skips: skips,
		Cursor: raw, RecordsTotal: im.total, DryRun: im.job.Args.DryRun,
	}, func(state repo.PageState) ([]repo.Decision, error) {
		return im.planner.plan(rows, norms, state), nil
	})
	return res.Cancelled, err
}

// rowsOf turns Halo's records into the catalogue's, in ascending order of id,
// with their normalised names.
func rowsOf(clients []halo.Client) ([]repo.Client, []string) {
	sorted := slices.SortedFunc(slices.Values(clients), func(a, b halo.Client) int { return int(a.ID - b.ID) })
	rows, norms := make([]repo.Client, len(sorted)), make([]string, len(sorted))
	for i, c := range sorted {
		rows[i] = row(c)
		norms[i] = NormaliseName(c.Name)
	}
	return rows, norms
}
