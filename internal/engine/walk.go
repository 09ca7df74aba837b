package engine

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

// walk goes through a connection's clients within one run: page by page over
// a listing, pass after pass until it is proved complete, with a checkpoint in
// each page's transaction. What is done with a page is for write to say.
type walk struct {
	store *repo.Store
	api   *halo.API
	ref   repo.RunRef
	turn  *turn
	log   *zap.Logger // names the run

	query  halo.Query
	wanted []int64 // sorted: only these are handed to write; nil: all
	// write commits one page and says whether the run was cancelled.
	write func(context.Context, pagePart) (cancelled bool, err error)

	cur     cursor
	handled *halo.IDSet // ids that the run is done with
	total   int         // clients to expect, as far as is known

	wrote   func(pages, records int) // is told of each page that was written
	leaving error                    // why no page is asked for any more, see [halo.Query]
}

// pagePart is what a page brought, or several in a row.
type pagePart struct {
	pass, page int // the last one's
	pages      int
	clients    []halo.Client // that the run has not seen before
	ids        []int64       // that this pass had not shown before
	skips      []repo.RunItem
	absent     []repo.Finding
	again      bool // these ids were asked for before
}

// newWalk takes up a run where its checkpoint stands; call restore next.
func (e *Engine) newWalk(api *halo.API, claim repo.Claim, turn *turn) (*walk, error) {
	cur, err := readCursor(claim.Cursor)
	w := &walk{
		store: e.store, api: api, ref: claim.Ref, turn: turn,
		log: e.log.With(zap.String("run", RunID(claim.Ref.ID)), zap.String("tenant", claim.Ref.Tenant),
			zap.Stringer("connection", claim.Ref.ConnectionID)),
		wrote: func(pages, records int) { e.wrote(claim.Run.Kind, pages, records) },
		query: halo.Query{IncludeInactive: true, VerifyTail: true},
		cur:   cur, handled: &halo.IDSet{}, total: claim.Run.RecordsTotal,
	}
	w.query.Stop = func() bool { return w.leaving != nil || turn.stopping() }
	return w, err
}

// restore reads back which ids the run has seen: all of them, and those of
// the current pass.
func (w *walk) restore(ctx context.Context) error {
	w.cur.List.Seen = &halo.IDSet{}
	for page, err := range w.store.SeenPages(ctx, w.ref) {
		if err != nil {
			return fmt.Errorf("seen clients of the run: %w", err)
		}
		for _, id := range page.ClientIDs {
			w.handled.Add(id)
			if page.Pass == w.cur.Pass {
				w.cur.List.Seen.Add(id)
			}
		}
	}
	return nil
}

// lastPassPages is how many pages the last pass took; 0: there was none.
func (w *walk) lastPassPages() int {
	passes := w.cur.Passes
	if len(passes) == 0 {
		return 0
	}
	return passes[len(passes)-1].Pages
}
