// Package resync executes resyncs: it compares a connection's mappings with Halo. It
// first collects findings without changing any mapping. It applies the findings only if
// they are trustworthy. It changes nothing if the list is partial or empty, if the
// connection reads another Halo, or if the agent has lost a right.
package resync

import (
	"context"
	"fmt"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/listing"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Resyncer executes resync runs. It is safe for concurrent use.
type Resyncer struct {
	store *repo.Store
	dial  *dial.Dialer
	runs  *run.Executor
}

// New returns a resyncer.
func New(store *repo.Store, d *dial.Dialer, runs *run.Executor) *Resyncer {
	return &Resyncer{store, d, runs}
}

// Resync executes a resync run; see [run.Execute] for what it returns.
func (r *Resyncer) Resync(ctx context.Context, job tasks.Job[tasks.ResyncArgs]) (tasks.RunResult, error) {
	return run.Execute(ctx, r.runs, repo.KindResync, job, func(ctx context.Context, claimed *run.Execution) (run.Result, error) {
		conn, api, end, err := listing.Open(ctx, r.store, r.dial, claimed, ratelimit.Background)
		if err != nil || end.State != "" {
			return end, err
		}
		list, err := listing.New(ctx, r.store, api, claimed)
		if err != nil {
			return run.Result{}, err
		}
		x := &execution{
			Listing: list, store: r.store, api: api, run: claimed, pages: conn.ClientsPages,
			found: len(claimed.Cursor) > 0, // an earlier execution may have stored findings
		}
		list.Write = func(ctx context.Context, b listing.Batch) (bool, error) { return x.write(ctx, b, nil, false) }
		return x.execute(ctx)
	})
}

// execution is one execution of a resync.
type execution struct {
	*listing.Listing
	store  *repo.Store
	api    *halo.API
	run    *run.Execution
	pages  int // number of pages of the last complete list; 0 if unknown
	mapped halo.IDSet
	gone   halo.IDSet // mapped clients that are already marked missing
	found  bool       // there may be findings
}

// How a resync reads clients, stored in the checkpoint.
const (
	byListing = "listing"
	byIDs     = "ids"
)

func (x *execution) execute(ctx context.Context) (run.Result, error) {
	for m, err := range x.store.MappedClients(ctx, x.run.Ref.Tenant, x.run.Ref.ConnectionID) {
		if err != nil {
			return run.Result{}, err
		}
		x.mapped.Add(m.ClientID)
		if m.State == repo.MappingMissing {
			x.gone.Add(m.ClientID)
		}
	}
	if x.mapped.Len() == 0 {
		return run.Result{State: repo.StateSucceeded, Complete: true, Verified: true}, nil
	}
	if x.Cursor.Way == "" {
		if err := x.chooseWay(ctx); err != nil {
			return run.Result{}, err
		}
	}
	if x.Cursor.Way == byListing && !x.Cursor.Listed {
		if end, err := x.Read(ctx); err != nil || end.State != "" {
			return end, err
		}
	}
	if x.Cursor.Way == byListing && !x.Cursor.Complete {
		if last := x.Cursor.Passes[len(x.Cursor.Passes)-1]; !proof.Unpaged(last) {
			return run.Result{State: repo.StatePartial, Reason: x.Cursor.Reason + "; no mapping was changed"}, nil
		}
		x.Cursor.Way = byIDs // the clients that are not on the only page
	}
	if end, err := x.readRest(ctx); err != nil || end.State != "" {
		return end, err
	}
	if end, err := x.confirmFindings(ctx); err != nil || end.State != "" {
		return end, err
	}
	if err := x.doubtVanished(ctx); err != nil {
		return run.Result{}, err
	}
	return x.apply(ctx)
}

// chooseWay chooses the way that takes fewer requests: a listing, or one request for each
// mapping. If both take the same number of requests, it chooses the listing, which proves
// more. It takes the length of the list from the last complete listing or, if unknown,
// from the first page. If Halo sends no count, it assumes that all clients are mapped; a
// listing then takes two passes.
func (x *execution) chooseWay(ctx context.Context) error {
	x.Cursor.Way = byListing
	mapped, pages := x.mapped.Len(), x.pages
	if pages == 0 {
		if mapped == 1 {
			x.Cursor.Way = byIDs
			return nil
		}
		page, err := x.api.Page(ctx, x.Query, 1)
		if err != nil {
			return err
		}
		if page.Rows > 0 {
			pages = (max(page.RecordCount, mapped) + page.Rows - 1) / page.Rows
		}
		if page.RecordCount < 0 {
			pages *= 2
		}
	}
	if mapped < listingCost(max(1, pages)) {
		x.Cursor.Way = byIDs
	}
	return nil
}

// listingCost returns the number of requests that a listing takes: one for each page, and
// two more to read the end of the list first (halo.Query.VerifyTail).
func listingCost(pages int) int {
	if pages > 1 {
		return pages + 2
	}
	return pages
}

// write commits a batch of clients and its findings. The findings in absent concern clients
// that could not be read. If the argument again is true, this run has already read these
// clients.
func (x *execution) write(ctx context.Context, b listing.Batch, absent []repo.Finding, again bool) (cancelled bool, err error) {
	rows, norms := listing.Rows(b.Clients)
	raw, err := x.Cursor.Encode()
	if err != nil {
		return false, err
	}
	res, err := x.store.ImportBatch(ctx, x.run.Ref, repo.ImportBatch{
		Pass: b.Pass, Page: b.Page, Pages: b.Pages, Clients: rows, NormNames: norms, PageIDs: b.IDs,
		Cursor: raw, RecordsTotal: x.Total, Compare: true, Absent: absent,
	}, func(state repo.BatchState) ([]repo.Decision, error) { return compare(rows, state, again), nil })
	x.found = x.found || res.Findings > 0
	if err == nil && !res.Repeated {
		x.run.Wrote(max(1, b.Pages), len(rows))
	}
	return res.Cancelled, err
}

// compare returns one decision per client: whether its mapping differs from Halo. Reading a
// client again always produces a finding, which replaces the earlier one.
func compare(clients []repo.Client, state repo.BatchState, again bool) []repo.Decision {
	decisions := make([]repo.Decision, len(clients))
	for i, c := range clients {
		d := repo.Decision{Outcome: repo.Seen}
		if m, ok := state.Mapped[c.ID]; ok {
			d = listing.Refresh(c, m)
			if again {
				d.Outcome = repo.Refreshed
			}
		}
		d.Client = c
		decisions[i] = d
	}
	return decisions
}

// applyBatch is the number of findings in one transaction.
const applyBatch = 500

// apply applies the findings to the mappings and ends the run.
func (x *execution) apply(ctx context.Context) (run.Result, error) {
	for x.found {
		taken, err := x.store.ApplyFindings(ctx, x.run.Ref, applyBatch)
		if err != nil {
			return run.Result{}, err
		}
		if taken == 0 {
			break
		}
	}
	record, err := x.store.Run(ctx, x.run.Ref.Tenant, x.run.Ref.ID)
	if err != nil {
		return run.Result{}, err
	}
	end := run.Result{State: repo.StateSucceeded, Complete: true, Verified: true}
	if n := record.Unverified; n > 0 {
		end.State, end.Complete = repo.StatePartial, false
		end.Reason = fmt.Sprintf("%s of %s could not be verified; all others were verified", plaintext.Count(n), plaintext.Plural(x.mapped.Len(), "mapping", "mappings"))
	}
	if x.Cursor.Way == byListing {
		end.Pages = x.LastPassPages()
	}
	return end, nil
}
