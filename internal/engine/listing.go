package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

// maxPasses bounds how often a list that changes while it is read is read
// again within one run.
const maxPasses = 3

// list reads the listing, pass after pass, until it is complete by [judge] or
// maxPasses are over. An ending with a state ends the run.
func (im *importer) list(ctx context.Context) (ending, error) {
	for {
		end, err := im.pass(ctx)
		if err != nil || end.state != "" {
			return end, err
		}
		if im.cur.Listed {
			return ending{}, nil
		}
	}
}

// pass reads one pass over the listing from its checkpoint. The last page's
// checkpoint already holds the judgement and the start of the next pass.
func (im *importer) pass(ctx context.Context) (ending, error) {
	for page, err := range im.api.Pages(ctx, im.query(), im.cur.List) {
		if err != nil {
			return ending{}, err
		}
		fresh, ids := im.fresh(page.Clients)
		if im.cur.Pass > 1 {
			im.cur.New += len(fresh)
		}
		im.total = max(im.total, page.RecordCount)
		im.cur.List = page.Cursor
		pass := im.cur.Pass
		if page.Last {
			im.endPass(page.Cursor.Certificate)
		}
		cancelled, err := im.write(ctx, pass, page.Number, fresh, ids, nil)
		if err != nil {
			return ending{}, fmt.Errorf("page %d: %w", page.Number, err)
		}
		if cancelled {
			return ending{state: repo.StateCancelled, reason: fmt.Sprintf("cancelled after page %d", page.Number)}, nil
		}
		for _, id := range ids {
			im.handled.Add(id)
		}
		if page.Last {
			break
		}
		if err := im.stop(); err != nil {
			return ending{}, err
		}
	}
	return ending{}, nil
}

// fresh splits a page into the clients that this run still has to decide on
// and the ids that the page showed for the first time in this pass.
func (im *importer) fresh(clients []halo.Client) (fresh []halo.Client, ids []int64) {
	wanted := im.job.Args.ClientIDs // sorted
	for _, c := range clients {
		ids = append(ids, c.ID)
		if im.handled.Has(c.ID) {
			continue
		}
		if len(wanted) > 0 {
			if _, ok := slices.BinarySearch(wanted, c.ID); !ok {
				continue
			}
		}
		fresh = append(fresh, c)
	}
	return fresh, ids
}

// endPass judges the pass that has just ended and prepares what comes next.
func (im *importer) endPass(cert halo.Certificate) {
	c := &im.cur
	c.Passes = append(c.Passes, cert)
	c.Complete, c.Reason = judge(c.Passes, c.New)
	if c.Complete || c.Pass >= maxPasses {
		c.Listed = true
		return
	}
	c.Pass, c.New, c.List = c.Pass+1, 0, halo.Cursor{}
}
