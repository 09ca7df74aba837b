package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/repo"
)

// resyncer is one execution of a resync. It first finds out, page by page and
// without touching a mapping, then applies what it found if that can be
// believed: a partial or empty listing, another Halo, a lost right change
// nothing.
type resyncer struct {
	*walk
	run      string
	pages    int // of the last complete listing; 0: unknown
	approved int // mappings that a person lets this run mark missing
	mapped   halo.IDSet
	gone     halo.IDSet // of them: those that are known to be missing
	found    bool       // there may be findings
}

// Ways of a resync, kept in the checkpoint.
const (
	byListing = "listing"
	byIDs     = "ids"
)

// suspectPass keeps the ids that were read one by one apart from the passes
// of a listing; chunkOfIDs of them share a transaction.
const (
	suspectPass = maxPasses + 1
	chunkOfIDs  = 50
)

func (rs *resyncer) resync(ctx context.Context) (ending, error) {
	for m, err := range rs.store.MappedClients(ctx, rs.ref.Tenant, rs.ref.ConnectionID) {
		if err != nil {
			return ending{}, err
		}
		rs.mapped.Add(m.ClientID)
		if m.State == repo.MappingMissing {
			rs.gone.Add(m.ClientID)
		}
	}
	if rs.mapped.Len() == 0 {
		return ending{state: repo.StateSucceeded, complete: true, verified: true}, nil
	}
	if rs.cur.Way == "" {
		if err := rs.chooseWay(ctx); err != nil {
			return ending{}, err
		}
	}
	if rs.cur.Way == byListing && !rs.cur.Listed {
		if end, err := rs.list(ctx); err != nil || end.state != "" {
			return end, err
		}
	}
	if rs.cur.Way == byListing && !rs.cur.Complete {
		return ending{state: repo.StatePartial, reason: rs.cur.Reason + "; no mapping was changed"}, nil
	}
	if end, err := rs.askForRest(ctx); err != nil || end.state != "" {
		return end, err
	}
	if end, err := rs.believe(ctx); err != nil || end.state != "" {
		return end, err
	}
	return rs.apply(ctx)
}

// chooseWay compares the requests of a listing with one for each mapping. How
// long the listing is, the last one tells, or else its first page.
func (rs *resyncer) chooseWay(ctx context.Context) error {
	pages := rs.pages
	if pages == 0 && rs.mapped.Len() > 1 {
		page, err := rs.api.Page(ctx, rs.query, 1)
		if err != nil {
			return err
		}
		switch {
		case page.RecordCount < 0:
			pages = rs.mapped.Len() // a listing without a count proves nothing
		case page.Rows > 0:
			pages = (page.RecordCount + page.Rows - 1) / page.Rows
		}
	}
	rs.cur.Way = byListing
	if rs.mapped.Len() <= listingCost(max(1, pages)) {
		rs.cur.Way = byIDs
	}
	return nil
}

// listingCost is how many requests a listing takes: its pages, and two more
// to look at its end first (halo.Query.VerifyTail).
func listingCost(pages int) int {
	if pages > 1 {
		return pages + 2
	}
	return pages
}

// writePage keeps what a page says of mapped clients as findings.
func (rs *resyncer) writePage(ctx context.Context, p pagePart) (cancelled bool, err error) {
	rows, norms := rowsOf(p.clients)
	raw, err := rs.cur.encode()
	if err != nil {
		return false, err
	}
	res, err := rs.store.ImportPage(ctx, rs.ref, repo.ImportPage{
		Pass: p.pass, Page: p.page, Pages: p.pages, Clients: rows, NormNames: norms, PageIDs: p.ids,
		Cursor: raw, RecordsTotal: rs.total, Compare: true, Absent: p.absent,
	}, func(state repo.PageState) ([]repo.Decision, error) { return compare(rows, state, p.again), nil })
	rs.found = rs.found || res.Findings > 0
	if err == nil && !res.Repeated {
		rs.wrote(max(1, p.pages), len(rows))
	}
	return res.Cancelled, err
}

// compare says of each client whether its mapping differs. A client that is
// asked for again is told in any case: it replaces what was found first.
func compare(clients []repo.Client, state repo.PageState, again bool) []repo.Decision {
	decisions := make([]repo.Decision, len(clients))
	for i, c := range clients {
		d := repo.Decision{Outcome: repo.Seen}
		if m, ok := state.Mapped[c.ID]; ok {
			d = refresh(c, m)
			if again {
				d.Outcome = repo.Refreshed
			}
		}
		d.Client = c
		decisions[i] = d
	}
	return decisions
}

// askForRest reads the mapped clients that no page has shown, one by one.
// After a listing those are the suspects; what is known to be missing needs no
// question, since the listing would have shown it.
func (rs *resyncer) askForRest(ctx context.Context) (ending, error) {
	var rest []int64
	for id := range rs.mapped.All() {
		if !rs.handled.Has(id) && (rs.cur.Way == byIDs || !rs.gone.Has(id)) {
			rest = append(rest, id)
		}
	}
	if rs.cur.Way == byIDs {
		rs.total = rs.mapped.Len()
	}
	for ids := range slices.Chunk(rest, chunkOfIDs) {
		if end := rs.overCeiling(); end.state != "" {
			return end, nil
		}
		if err := rs.turn.over(ctx); err != nil {
			return ending{}, err
		}
		if end, err := rs.ask(ctx, ids, false); err != nil || end.state != "" {
			return end, err
		}
	}
	return rs.overCeiling(), nil
}

// ask reads one chunk of clients, perhaps again, and commits what came of it.
func (rs *resyncer) ask(ctx context.Context, ids []int64, again bool) (ending, error) {
	clients, absent, err := readClients(ctx, rs.api, ids)
	if err != nil {
		return ending{}, err
	}
	for _, f := range absent {
		if f.Outcome == repo.FoundMissing && !again && !rs.gone.Has(f.ClientID) {
			rs.cur.Missing++
		}
	}
	rs.cur.ByID += len(ids)
	cancelled, err := rs.write(ctx, pagePart{pass: suspectPass, page: rs.cur.ByID, pages: 1, clients: clients, ids: ids, absent: absent, again: again})
	if err != nil {
		return ending{}, err
	}
	for _, id := range ids {
		rs.handled.Add(id)
	}
	if cancelled {
		return ending{state: repo.StateCancelled, reason: fmt.Sprintf("cancelled after %d clients", rs.cur.ByID)}, nil
	}
	return ending{}, nil
}

// overCeiling holds a run that would mark too many mappings missing.
func (rs *resyncer) overCeiling() ending {
	most := ceiling(rs.mapped.Len(), rs.approved)
	if rs.cur.Missing <= most {
		return ending{}
	}
	unasked := 0
	for id := range rs.mapped.All() {
		if !rs.handled.Has(id) && !rs.gone.Has(id) {
			unasked++
		}
	}
	missing := rs.cur.Missing + unasked
	return ending{state: repo.StateHeld, missing: missing, reason: fmt.Sprintf(
		"of %d mappings up to %d would be marked missing, more than the %d that a resync may: perhaps the application's agent lost"+
			" the right to read some customers, or this is another Halo, or one restored from a backup; no mapping was changed;"+
			" if it is right, \"enqueue runs approve %s\"", rs.mapped.Len(), missing, most, rs.run)}
}

// believe makes sure that Halo shows clients at all before any is called
// missing or unverified, and asks once more for what only one answer speaks for.
func (rs *resyncer) believe(ctx context.Context) (ending, error) {
	if !rs.found {
		return ending{}, nil
	}
	missing, err := rs.store.Findings(ctx, rs.ref, repo.FoundMissing)
	if err != nil {
		return ending{}, err
	}
	unverified, err := rs.store.Findings(ctx, rs.ref, repo.FoundUnverified)
	if err != nil || len(missing)+len(unverified) == 0 {
		return ending{}, err
	}
	reason, err := trustworthy(ctx, rs.api)
	if err != nil {
		return ending{}, err
	}
	if reason != "" {
		return ending{state: repo.StatePartial, reason: reason + "; no mapping was changed"}, nil
	}
	if rs.cur.Way == byListing {
		return ending{}, nil // which has been asked, and each of them by id
	}
	for ids := range slices.Chunk(missing, chunkOfIDs) {
		if end, err := rs.ask(ctx, ids, true); err != nil || end.state != "" {
			return end, err
		}
	}
	return ending{}, nil
}

// applyAtOnce is how many findings share a transaction.
const applyAtOnce = 500

// apply brings the mappings up to date and ends the run.
func (rs *resyncer) apply(ctx context.Context) (ending, error) {
	for rs.found {
		taken, err := rs.store.ApplyFindings(ctx, rs.ref, applyAtOnce)
		if err != nil {
			return ending{}, err
		}
		if taken == 0 {
			break
		}
	}
	run, err := rs.store.Run(ctx, rs.ref.Tenant, rs.ref.ID)
	if err != nil {
		return ending{}, err
	}
	end := ending{state: repo.StateSucceeded, complete: true, verified: true}
	if n := run.Unverified; n > 0 {
		end.state, end.complete = repo.StatePartial, false
		end.reason = fmt.Sprintf("%d of %d mappings could not be verified; the others are", n, rs.mapped.Len())
	}
	if rs.cur.Way == byListing {
		end.pages = rs.lastPassPages()
	}
	return end, nil
}
