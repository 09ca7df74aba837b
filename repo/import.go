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

// Outcome is what a run did about one client, pair or mapping.
type Outcome string

// Outcomes of one client.
const (
	Created   Outcome = "created"
	Linked    Outcome = "linked"
	Refreshed Outcome = "refreshed"
	Unchanged Outcome = "unchanged"
	Ambiguous Outcome = "ambiguous"
	Skipped   Outcome = "skipped"
	Failed    Outcome = "failed"
	// Seen is for a client that is only written to the catalogue. It is not counted.
	Seen Outcome = "seen"
)

// ImportBatch is a batch: clients to be written in one transaction.
type ImportBatch struct {
	Pass, Page int      // ≥ 0; the pair is unique within the run
	Pages      int      // how many of Halo's pages the batch has; Page is the last; 0 means 1
	Clients    []Client // in ascending order of id, without duplicates
	NormNames  []string // of Clients, in the same order
	PageIDs    []int64  // what [Store.SeenPages] returns
	// Cursor is the checkpoint after this batch; nil keeps the last one.
	Cursor json.RawMessage
	// RecordsTotal is the expected number of clients; 0: unknown.
	RecordsTotal int
	// DryRun writes only to the run: counts, items, checkpoint.
	DryRun bool
	// Skips become items as they are and are counted by their outcome.
	Skips []RunItem
	// Compare leaves mappings as they are: those with the outcome [Refreshed], and
	// Absent, become findings, which [Store.ApplyFindings] applies and counts when
	// the run knows that the listing is complete.
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

// Candidate is a company with the name of a client.
type Candidate struct {
	CompanyID uuid.UUID
	Name      string
	Mapped    bool // has an active mapping on this connection
}

// maxCandidates is how many candidates are read for a name, unmapped ones first.
const maxCandidates = 20

// BatchState is what the database has about a batch's clients.
type BatchState struct {
	// Mapped are the clients that have an active mapping.
	Mapped map[int64]StoredMapping
	// Unmapped are the clients that a person unmapped since the run was queued, and
	// when: the person's decision is newer than the run.
	Unmapped map[int64]time.Time
	// Candidates are the companies by normalised name: up to 20 for each, unmapped
	// ones first, then the oldest.
	Candidates map[string][]Candidate
	// Cancelled is true if the cancellation of the run was requested.
	Cancelled bool
}

// Decision is what to do with one client.
type Decision struct {
	Client    Client
	Norm      string
	Outcome   Outcome   // [Created], [Linked], [Refreshed] …
	CompanyID uuid.UUID // [Linked]: the company
	Reason    string
	// NeedsPerson adds an item to the run.
	NeedsPerson bool
}

// ImportResult is the outcome of one batch.
type ImportResult struct {
	Counts
	Findings  int  // written
	Cancelled bool // the run should end here; this batch is written
	Repeated  bool // the batch was written before, and nothing was done now
}

// ImportBatch writes one batch in one transaction: it reads what is known about the
// clients, calls decide, and writes the outcome with counts, events and checkpoint.
// It takes two round trips, whatever the size of the batch. decide is called at most
// once and must not use the Store.
//
// A client that the database cannot hold (NUL in its name, a name of more than 1,000
// characters) fails alone and becomes an item; the others are written. It returns
// [ErrFenced] if another execution has the run. After any error nothing is written,
// unless the connection to the database was lost during the commit: then the
// checkpoint of the run's next claim shows whether it was.
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

// importBatch does the two round trips. If it returns an error, or a batch that was
// written before, the transaction is open or failed.
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
