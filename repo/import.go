package repo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/repo/internal/scoped"
)

// Outcome is the result of a run for one client, pair or mapping.
type Outcome string

// Outcomes of one client.
const (
	Created   Outcome = "created"
	Linked    Outcome = "linked"
	Refreshed Outcome = "refreshed"
	Unchanged Outcome = "unchanged"
	Ambiguous Outcome = "ambiguous"
	Skipped   Outcome = "skipped" // left out on purpose
	Failed    Outcome = "failed"  // requested, but could not be done
	// Seen means that the client is written only to the catalogue. It is not counted.
	Seen Outcome = "seen"
)

// ImportBatch holds the clients to be written in one transaction.
type ImportBatch struct {
	Pass, Page int      // ≥ 0; the pair is unique within the run
	Pages      int      // number of Halo's pages in the batch; Page is the last one; 0 means 1
	Clients    []Client // in ascending order of id, without duplicates
	NormNames  []string // normalised names of Clients, in the same order
	PageIDs    []int64  // the ids that [Store.SeenPages] returns for this batch
	// Cursor is the checkpoint after this batch. If it is nil, the last checkpoint
	// remains.
	Cursor json.RawMessage
	// RecordsTotal is the expected number of clients; 0: unknown.
	RecordsTotal int
	// DryRun writes only to the run: counts, items and checkpoint.
	DryRun bool
	// Skips are clients that could not be read. They are stored as items and counted by
	// outcome.
	Skips []RunItem
	// Compare leaves mappings unchanged. The entries of Absent and the decisions with the
	// outcome [Refreshed] become findings. [Store.ApplyFindings] applies and counts them
	// after the resync has checked that the listing is complete.
	Compare bool
	Absent  []Finding
}

// StoredMapping is the active mapping of one client.
type StoredMapping struct {
	ID             uuid.UUID
	CompanyID      uuid.UUID
	CompanyName    string
	ClientName     string
	ClientInactive bool
	State          MappingState
}

// Candidate is a company with the same normalised name as a client.
type Candidate struct {
	CompanyID uuid.UUID
	Name      string
	Mapped    bool // the company has an active mapping on this connection
}

// maxCandidates is the maximum number of candidates read for a name, unmapped ones
// first.
const maxCandidates = 20

// BatchState is the stored state of the clients of a batch.
type BatchState struct {
	// Mapped holds the active mappings by client id.
	Mapped map[int64]StoredMapping
	// Unmapped holds the clients that a person unmapped after the run was queued, each with
	// the time of the unmapping. The person's decision is newer than the run.
	Unmapped map[int64]time.Time
	// Candidates holds the companies by normalised name, up to 20 for each name:
	// unmapped ones first, then the oldest.
	Candidates map[string][]Candidate
	// Cancelled reports whether cancellation of the run was requested.
	Cancelled bool
}

// Decision is the importer's decision about one client.
type Decision struct {
	Client    Client
	Norm      string
	Outcome   Outcome   // [Created], [Linked], [Refreshed] …
	CompanyID uuid.UUID // [Linked]: the company
	// Reason is why the client is [Ambiguous] or [Failed]. The run gets an item with it.
	// For other outcomes it is not stored.
	Reason string
}

// ImportResult is the outcome of one batch.
type ImportResult struct {
	Counts
	Findings  int  // number of findings written
	Cancelled bool // the run was cancelled and should end; this batch is written
	Repeated  bool // the batch was already written, and this call did nothing
}

// ImportBatch writes one batch in one transaction. It reads the state of the clients,
// calls decide, and writes the outcome with counts, events and checkpoint. It takes two
// round trips, regardless of the size of the batch. The function decide is called at
// most once and must not use the Store.
//
// A client that the database cannot store (NUL in its name, a name of more than 1,000
// characters) fails alone and becomes an item; the other clients are written.
// ImportBatch returns [ErrFenced] if another execution owns the run. After an error
// nothing is written, unless the connection to the database was lost during the commit.
// In that case the checkpoint of the run's next claim shows whether the batch was
// written.
func (s *Store) ImportBatch(ctx context.Context, ref RunRef, p ImportBatch, decide func(BatchState) ([]Decision, error)) (ImportResult, error) {
	if err := p.check(); err != nil {
		return ImportResult{}, wrap("import batch", err)
	}
	scope := s.forTenant(ref.Tenant)
	var res ImportResult
	err := scope.WithConn(ctx, func(ctx context.Context, conn *pgxpool.Conn) (err error) {
		res, err = importBatch(ctx, conn, scope, ref, p, decide)
		return err
	})
	if err != nil {
		return ImportResult{}, wrap("import batch", err)
	}
	return res, nil
}

// importBatch does the two round trips. It leaves the transaction open or failed if it
// returns an error, or if the batch was already written.
func importBatch(ctx context.Context, conn *pgxpool.Conn, scope scoped.Scope, ref RunRef, p ImportBatch, decide func(BatchState) ([]Decision, error)) (ImportResult, error) {
	state, run, err := readBatch(ctx, conn, scope, ref, p)
	if err != nil {
		return ImportResult{}, err
	}
	if run.repeated {
		return ImportResult{Cancelled: state.Cancelled, Repeated: true}, nil
	}
	decisions, err := decide(state)
	if err != nil {
		return ImportResult{}, err
	}
	w, err := newBatchWrite(p, decisions)
	if err != nil {
		return ImportResult{}, err
	}
	if err := w.send(ctx, conn, ref, run.requestedBy); err != nil {
		return ImportResult{}, err
	}
	return ImportResult{Counts: w.counts, Findings: len(w.findings.clientIDs), Cancelled: state.Cancelled}, nil
}

func (p ImportBatch) check() error {
	if len(p.NormNames) != len(p.Clients) {
		return &InvalidError{What: "batch", Reason: fmt.Sprintf("has %d clients and %d normalised names", len(p.Clients), len(p.NormNames))}
	}
	for i := 1; i < len(p.Clients); i++ {
		if p.Clients[i-1].ID >= p.Clients[i].ID {
			return &InvalidError{What: "batch", Reason: "is not in ascending order of id without duplicates"}
		}
	}
	if p.Pass < 0 || p.Page < 0 || p.Pages < 0 {
		return &InvalidError{What: "batch", Reason: "has a negative number"}
	}
	return nil
}
