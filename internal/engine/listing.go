package engine

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

// maxPasses bounds how often a list that changes while it is read is read
// again within one run.
const maxPasses = 3

// list reads the listing, pass after pass, until it is complete by [judge] or
// maxPasses are over. An ending with a state ends the run.
func (w *walk) list(ctx context.Context) (ending, error) {
	for {
		end, err := w.pass(ctx)
		if err != nil || end.state != "" {
			return end, err
		}
		if w.cur.Listed {
			return ending{}, nil
		}
	}
}

// maxBatch is how many clients share a transaction, unless a single page has
// more. It takes a quarter of a second; a quarter as many cost 7 % more of
// Postgres' time each.
const maxBatch = 4000

// pass reads one pass over the listing from its checkpoint. Pages that are here
// already when one could be written share its transaction: where Halo is the
// slow side, that is each page alone. The last page's checkpoint already holds
// the judgement and the start of the next pass.
func (w *walk) pass(ctx context.Context) (ending, error) {
	var batch pagePart
	for page, err := range w.api.Pages(ctx, w.query, w.cur.List) {
		if err != nil {
			return ending{}, err
		}
		w.gather(&batch, page)
		if page.Ready && !page.Last && len(batch.clients)+page.Rows <= maxBatch {
			continue
		}
		cancelled, err := w.write(ctx, batch)
		if err != nil {
			return ending{}, fmt.Errorf("page %d: %w", page.Number, err)
		}
		w.log.Debug("page written", zap.Int("pass", batch.pass), zap.Int("page", page.Number), zap.Int("pages", batch.pages), zap.Int("clients", len(batch.clients)))
		if cancelled {
			return ending{state: repo.StateCancelled, reason: fmt.Sprintf("cancelled after page %d", page.Number)}, nil
		}
		for _, id := range batch.ids {
			w.handled.Add(id)
		}
		if page.Last {
			break
		}
		batch = pagePart{}
		// Pages that are on their way have been paid for: they are written, too.
		if w.leaving == nil {
			w.leaving = w.turn.over(ctx)
		}
		if w.leaving != nil && page.Ahead == 0 {
			return ending{}, w.leaving
		}
	}
	return ending{}, nil
}

// gather adds a page to those that are to be written, and makes the checkpoint
// that of both.
func (w *walk) gather(batch *pagePart, page halo.Page) {
	batch.pass, batch.page = w.cur.Pass, page.Number
	batch.pages++
	fresh := w.fresh(batch, page.Clients)
	if w.cur.Pass > 1 {
		w.cur.New += fresh
	}
	w.total = max(w.total, page.RecordCount)
	w.cur.List = page.Cursor
	if page.Last {
		w.endPass(page.Cursor.Certificate)
	}
}

// fresh adds to a batch the ids that the page showed for the first time in this
// pass, and those clients that this run still has to decide on. It returns how
// many these are.
func (w *walk) fresh(batch *pagePart, clients []halo.Client) int {
	before := len(batch.clients)
	for _, c := range clients {
		batch.ids = append(batch.ids, c.ID)
		if w.handled.Has(c.ID) {
			continue
		}
		if len(w.wanted) > 0 {
			if _, ok := slices.BinarySearch(w.wanted, c.ID); !ok {
				continue
			}
		}
		batch.clients = append(batch.clients, c)
	}
	return len(batch.clients) - before
}

// endPass judges the pass that has just ended and prepares what comes next.
func (w *walk) endPass(cert halo.Certificate) {
	c := &w.cur
	c.Passes = append(c.Passes, cert)
	c.Complete, c.Reason = judge(c.Passes, c.New)
	if c.Complete || c.Pass >= maxPasses {
		c.Listed = true
		return
	}
	c.Pass, c.New, c.List = c.Pass+1, 0, halo.Cursor{}
}
