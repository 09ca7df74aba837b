// Package listing reads a connection's clients within one run. It reads Halo's list in
// batches and repeats the pass until the list is proved complete or [proof.MaxPasses] is
// reached. Each batch is written in one transaction with a checkpoint. Imports and
// resyncs supply the function that writes a batch.
package listing

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
)

// A Listing reads clients during one execution of a run.
type Listing struct {
	Query  halo.Query
	Wanted []int64 // sorted ids to pass to Write; nil passes all
	// Write commits one batch and reports whether the run was cancelled.
	Write func(context.Context, Batch) (cancelled bool, err error)

	Cursor  Cursor
	Handled *halo.IDSet // ids that the run has processed
	Total   int         // expected number of clients, if known
	Slice   *run.TimeSlice

	store   *repo.Store
	api     *halo.API
	run     *run.Execution
	leaving error // why no more pages are requested, see [halo.Query]
}

// Batch holds the clients of one page or of several consecutive pages.
type Batch struct {
	Pass, Page int // of the last page
	Pages      int
	Clients    []halo.Client // not yet processed by the run
	IDs        []int64       // new in this pass
}

// New continues a run at its checkpoint. It loads the ids that the run and the current
// pass have seen.
func New(ctx context.Context, store *repo.Store, api *halo.API, x *run.Execution) (*Listing, error) {
	cursor, err := ReadCursor(x.Cursor)
	if err != nil {
		return nil, err
	}
	l := &Listing{
		Query: halo.Query{IncludeInactive: true, VerifyTail: true}, Slice: x.Slice(),
		Cursor: cursor, Handled: &halo.IDSet{}, Total: x.Run.RecordsTotal,
		store: store, api: api, run: x,
	}
	l.Query.Stop = func() bool { return l.leaving != nil || l.Slice.Stopping() }
	l.Cursor.List.Seen = &halo.IDSet{}
	for page, err := range store.SeenPages(ctx, x.Ref) {
		if err != nil {
			return nil, fmt.Errorf("clients that the run has seen: %w", err)
		}
		for _, id := range page.ClientIDs {
			l.Handled.Add(id)
			if page.Pass == l.Cursor.Pass {
				l.Cursor.List.Seen.Add(id)
			}
		}
	}
	return l, nil
}

// LastPassPages returns the number of pages of the last pass, or 0 if no pass has ended.
func (l *Listing) LastPassPages() int {
	passes := l.Cursor.Passes
	if len(passes) == 0 {
		return 0
	}
	return passes[len(passes)-1].Pages
}

// Read repeats passes over the list until [proof.Complete] accepts them or
// [proof.MaxPasses] is reached. A result with a state ends the run.
func (l *Listing) Read(ctx context.Context) (run.Result, error) {
	for {
		end, err := l.pass(ctx)
		if err != nil || end.State != "" {
			return end, err
		}
		if l.Cursor.Listed {
			return run.Result{}, nil
		}
	}
}

// maxBatch is the maximum number of clients in one transaction, unless a single page has
// more. A transaction of that size takes a quarter of a second. With batches a quarter of
// that size, Postgres takes 7 % longer per client.
const maxBatch = 4000

// pass reads the list once, starting from its checkpoint. Pages that have already arrived
// share a transaction; if Halo is slower than Postgres, each page is written alone. The
// checkpoint of the last page already contains the proof and the start of the next pass.
func (l *Listing) pass(ctx context.Context) (run.Result, error) {
	var batch Batch
	for page, err := range l.api.Pages(ctx, l.Query, l.Cursor.List) {
		if err != nil {
			return run.Result{}, err
		}
		l.gather(&batch, page)
		if page.Ready && !page.Last && len(batch.Clients)+page.Rows <= maxBatch {
			continue
		}
		cancelled, err := l.Write(ctx, batch)
		if err != nil {
			return run.Result{}, fmt.Errorf("page %d: %w", page.Number, err)
		}
		l.run.Log.Debug("page written", zap.Int("pass", batch.Pass), zap.Int("page", page.Number), zap.Int("pages", batch.Pages), zap.Int("clients", len(batch.Clients)))
		if cancelled {
			return run.Result{State: repo.StateCancelled, Reason: fmt.Sprintf("cancelled after page %d", page.Number)}, nil
		}
		for _, id := range batch.IDs {
			l.Handled.Add(id)
		}
		if page.Last {
			break
		}
		batch = Batch{}
		// Pages that have already been requested have used up part of the budget, so they
		// are written, too.
		if l.leaving == nil {
			l.leaving = l.Slice.Over(ctx)
		}
		if l.leaving != nil && page.Ahead == 0 {
			return run.Result{}, l.leaving
		}
	}
	return run.Result{}, nil
}

// gather adds a page to the batch and moves the checkpoint past that page.
func (l *Listing) gather(batch *Batch, page halo.Page) {
	batch.Pass, batch.Page = l.Cursor.Pass, page.Number
	batch.Pages++
	l.collect(batch, page.Clients)
	l.Total = max(l.Total, page.RecordCount, page.Cursor.Certificate.Distinct)
	l.Cursor.List = page.Cursor
	if page.Last {
		l.endPass(page.Cursor.Certificate)
	}
}

// collect adds to a batch the page's ids and the clients that this run has not processed
// yet.
func (l *Listing) collect(batch *Batch, clients []halo.Client) {
	for _, c := range clients {
		batch.IDs = append(batch.IDs, c.ID)
		if l.Handled.Has(c.ID) {
			continue
		}
		if len(l.Wanted) > 0 {
			if _, ok := slices.BinarySearch(l.Wanted, c.ID); !ok {
				continue
			}
		}
		batch.Clients = append(batch.Clients, c)
	}
}

// endPass checks whether the list is complete after a pass, and prepares the next pass
// if it is not.
func (l *Listing) endPass(cert halo.Certificate) {
	c := &l.Cursor
	c.Passes = append(c.Passes, cert)
	c.Complete, c.Reason = proof.Complete(c.Passes)
	if c.Complete || c.Pass >= proof.MaxPasses {
		c.Listed = true
		return
	}
	c.Pass, c.List = c.Pass+1, halo.Cursor{}
}
