package resync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/listing"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/repo"
)

const (
	// suspectPass marks clients read by id. Passes of a listing have lower numbers.
	suspectPass = proof.MaxPasses + 1
	// byIDChunk is the number of clients read by id in one transaction.
	byIDChunk = 50
)

// readRest reads, by id, the mapped clients that have not been on any page. After a
// complete listing, it skips clients that are already marked missing, because the listing
// would have shown them if they existed again.
func (x *execution) readRest(ctx context.Context) (run.Result, error) {
	var rest []int64
	for id := range x.mapped.All() {
		if !x.Handled.Has(id) && (x.Cursor.Way == byIDs || !x.gone.Has(id)) {
			rest = append(rest, id)
		}
	}
	if x.Cursor.Way == byIDs {
		x.Total = x.mapped.Len()
	}
	for ids := range slices.Chunk(rest, byIDChunk) {
		if end := x.overCeiling(); end.State != "" {
			return end, nil
		}
		if err := x.Slice.Over(ctx); err != nil {
			return run.Result{}, err
		}
		if end, err := x.readChunk(ctx, ids, false); err != nil || end.State != "" {
			return end, err
		}
	}
	return x.overCeiling(), nil
}

// readChunk reads one chunk of clients and commits the result. If the argument again is
// true, this run has already read these clients.
func (x *execution) readChunk(ctx context.Context, ids []int64, again bool) (run.Result, error) {
	clients, absent, err := x.readClients(ctx, ids)
	if err != nil {
		return run.Result{}, err
	}
	for _, f := range absent {
		if f.Outcome == repo.FoundMissing && !again && !x.gone.Has(f.ClientID) {
			x.Cursor.Missing++
		}
	}
	x.Cursor.ByID += len(ids)
	cancelled, err := x.write(ctx, listing.Batch{Pass: suspectPass, Page: x.Cursor.ByID, Pages: 1, Clients: clients, IDs: ids}, absent, again)
	if err != nil {
		return run.Result{}, err
	}
	for _, id := range ids {
		x.Handled.Add(id)
	}
	if cancelled {
		return run.Result{State: repo.StateCancelled, Reason: "cancelled after " + plaintext.Plural(x.Cursor.ByID, "client", "clients")}, nil
	}
	return run.Result{}, nil
}

// overCeiling holds a run that would mark too many mappings missing.
func (x *execution) overCeiling() run.Result {
	limit := maxMissing(x.mapped.Len(), x.run.Run.ApprovedMissing)
	if x.Cursor.Missing <= limit {
		return run.Result{}
	}
	unread := 0
	for id := range x.mapped.All() {
		if !x.Handled.Has(id) && !x.gone.Has(id) {
			unread++
		}
	}
	missing := x.Cursor.Missing + unread
	return run.Result{State: repo.StateHeld, Missing: missing, Reason: fmt.Sprintf(
		"of %d mappings, up to %d would be marked missing, but one resync may mark at most %d: perhaps the application's agent lost"+
			" the right to read some customers, this is another Halo, or Halo was restored from a backup; no mapping was changed;"+
			" if the clients are really gone, run \"enqueue runs approve %s\"", x.mapped.Len(), missing, limit, repo.Hex(x.run.Run.ID))}
}

// Clients that vanish together are less likely to have been deleted than to be hidden by a
// change in rights; Halo responds with 404 in that case, too. If more than maxVanished
// clients vanish in one night, a run that begins at least askAgainAfter later must find
// them missing, too.
const (
	maxVanished   = 3
	askAgainAfter = 12 * time.Hour
)

const (
	// goneReason claims no more than a 404 proves.
	goneReason = "Halo no longer shows it; it was deleted, or the agent lost the right to read it"
	// vanishedReason is the reason given for a mapping that is waiting for the next night.
	vanishedReason = "Halo no longer shows it, and other clients vanished in the same night; the next nightly resync checks again"
	// unlistedReason is followed by the day on which the client was last listed.
	unlistedReason = "not listed: Halo shows the client by its id, but not in its list of clients"
)

// doubtVanished postpones the decision about missing clients to the next night if too
// many vanished at once. A person who has approved the run has already decided.
func (x *execution) doubtVanished(ctx context.Context) error {
	if !x.found || x.run.Run.ApprovedMissing > 0 {
		return nil
	}
	_, err := x.store.DoubtVanished(ctx, x.run.Ref, maxVanished, askAgainAfter, vanishedReason)
	return err
}

// confirmFindings verifies that Halo shows clients at all before the run reports any
// client as missing or unverified. confirmFindings reads a client again if only one
// answer reports it missing.
func (x *execution) confirmFindings(ctx context.Context) (run.Result, error) {
	if !x.found {
		return run.Result{}, nil
	}
	missing, err := x.store.Findings(ctx, x.run.Ref, repo.FoundMissing)
	if err != nil {
		return run.Result{}, err
	}
	unverified, err := x.store.Findings(ctx, x.run.Ref, repo.FoundUnverified)
	if err != nil || len(missing)+len(unverified) == 0 {
		return run.Result{}, err
	}
	reason, err := proof.Absence(ctx, x.api)
	if err != nil {
		return run.Result{}, err
	}
	if reason != "" {
		return run.Result{State: repo.StatePartial, Reason: reason + "; no mapping was changed"}, nil
	}
	if x.Cursor.Way == byListing {
		return run.Result{}, nil // the listing and a request by id agree
	}
	for ids := range slices.Chunk(missing, byIDChunk) {
		if end, err := x.readChunk(ctx, ids, true); err != nil || end.State != "" {
			return end, err
		}
	}
	return run.Result{}, nil
}

// statusOf returns the HTTP status of an answer, in brackets.
func statusOf(err error) string {
	if herr, ok := errors.AsType[*halo.Error](err); ok {
		return fmt.Sprintf(" (status %d)", herr.Status)
	}
	return ""
}

// maxMissing returns how many of a connection's mappings one resync may mark missing: the
// largest of 20, a tenth of the mappings, and the number that a person has approved.
func maxMissing(mappings, approved int) int { return max(20, mappings/10, approved) }

// readClients reads clients one by one. If every answer is invalid or broken, it also
// checks that Halo answers another request. Otherwise, Halo itself is down.
func (x *execution) readClients(ctx context.Context, ids []int64) (found []halo.Client, absent []repo.Finding, err error) {
	readings, err := proof.ByID(ctx, x.api, ids)
	if err != nil {
		return nil, nil, err
	}
	if proof.All(readings, proof.Invalid, proof.Broken) {
		if err := proof.Alive(ctx, x.api); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range readings {
		f := repo.Finding{ClientID: r.ID, Outcome: repo.FoundUnverified}
		switch r.Status {
		case proof.Found:
			if x.Cursor.Way == byIDs {
				found = append(found, r.Client)
				continue
			}
			f.Reason, f.Doubt = unlistedReason, repo.DoubtUnlisted
		case proof.Missing:
			f.Outcome, f.Reason = repo.FoundMissing, goneReason
		case proof.Forbidden:
			f.Reason = "the application's agent is not allowed to read this client" + statusOf(r.Err)
		default:
			f.Reason = r.Err.Error()
		}
		absent = append(absent, f)
	}
	return found, absent, nil
}
