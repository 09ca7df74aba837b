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

// Outcomes of one client.
const (
	Created   = "created"
	Linked    = "linked"
	Refreshed = "refreshed"
	Unchanged = "unchanged"
	Ambiguous = "ambiguous"
	Skipped   = "skipped"
	Failed    = "failed"
	// Seen is a client that belongs into the catalogue and nowhere else. It
	// does not count.
	Seen = "seen"
)

// ImportPage is one page of clients to be written, or several in a row.
type ImportPage struct {
	Pass, Page int      // ≥ 0; together unique within the run
	Pages      int      // how many of Halo's pages these are, Page the last; 0 counts as 1
	Clients    []Client // without doubles, in ascending order of id
	NormNames  []string // of Clients, in the same order
	PageIDs    []int64  // what [Store.SeenPages] is to give back
	// Cursor is the checkpoint after this page; nil leaves the last one.
	Cursor json.RawMessage
	// RecordsTotal is how many clients there are to expect; 0: unknown.
	RecordsTotal int
	// DryRun writes nothing but the run: counts, items, checkpoint.
	DryRun bool
	// Skips become items as they are and count with their outcome.
	Skips []RunItem
	// Compare leaves mappings as they are: a [Refreshed] one, and what is in
	// Absent, become findings, which [Store.ApplyFindings] applies once the run
	// knows that it can believe them. They count when they are applied.
	Compare bool
	Absent  []Finding
}

// MappingState is the active mapping of one client.
type MappingState struct {
	ID             uuid.UUID
	CompanyID      uuid.UUID
	CompanyName    string
	ClientName     string
	ClientInactive bool
	State          string
}

// Candidate is a company with the name of a client.
type Candidate struct {
	CompanyID uuid.UUID
	Name      string
	Mapped    bool // has an active mapping on this connection
}

// maxCandidates is how many candidates a name gets, unmapped ones first.
const maxCandidates = 20

// PageState is what the database knows about a page's clients.
type PageState struct {
	// Mapped are the clients that have an active mapping.
	Mapped map[int64]MappingState
	// Unmapped are the clients whose mapping was deleted since the run was
	// queued, and when: a person's wish that is newer than the run.
	Unmapped map[int64]time.Time
	// Candidates are the companies by normalised name: at most 20 for each,
	// unmapped ones first, then the oldest.
	Candidates map[string][]Candidate
	// Cancelled says that the run's cancellation was requested.
	Cancelled bool
}

// Decision says what becomes of one client.
type Decision struct {
	Client    Client
	Norm      string
	Outcome   string    // [Created], [Linked], [Refreshed] …
	CompanyID uuid.UUID // [Linked]: the company
	Reason    string
	// NeedsPerson makes it an item of the run.
	NeedsPerson bool
}

// PageResult is what a page came to.
type PageResult struct {
	Counts
	Findings  int  // written
	Cancelled bool // the run should end here; this page is written
	Repeated  bool // the page was written before, and nothing was done now
}

// ImportPage writes one page in one transaction: it reads what is known about
// the clients, lets decide judge, and writes the outcome with counts, events
// and checkpoint. It takes two round trips, whatever the size of the page.
// decide is called at most once and must not use the Store.
//
// A client that the database cannot hold (NUL in its name, a name of more
// than 1,000 characters) fails alone and becomes an item; the others are
// written. [ErrFenced] if the run is not the caller's any more; then, and at
// any other error, nothing is written. That an error says so is certain only
// if the connection to the database was not lost: whoever claims the run
// again learns from its checkpoint which is true.
func (s *Store) ImportPage(ctx context.Context, ref RunRef, p ImportPage, decide func(PageState) ([]Decision, error)) (PageResult, error) {
	if err := p.check(); err != nil {
		return PageResult{}, wrap("import page", err)
	}
	scope := s.forTenant(ref.Tenant)
	var res PageResult
	err := scope.WithConn(ctx, func(ctx context.Context, conn *pgxpool.Conn) (err error) {
		res, err = importPage(ctx, conn, scope, ref, p, decide)
		return err
	})
	if err != nil {
		return PageResult{}, wrap("import page", err)
	}
	return res, nil
}

// importPage does the two round trips. If it returns an error, or a page that was
// written before, the transaction is open or failed.
func importPage(ctx context.Context, conn *pgxpool.Conn, scope scoped.Scope, ref RunRef, p ImportPage, decide func(PageState) ([]Decision, error)) (PageResult, error) {
	state, run, err := readPage(ctx, conn, scope, ref, p)
	if err != nil {
		return PageResult{}, err
	}
	if run.repeated {
		return PageResult{Cancelled: state.Cancelled, Repeated: true}, nil
	}
	decisions, err := decide(state)
	if err != nil {
		return PageResult{}, err
	}
	w, err := newPageWrite(p, decisions)
	if err != nil {
		return PageResult{}, err
	}
	if err := w.send(ctx, conn, ref, run.requestedBy); err != nil {
		return PageResult{}, err
	}
	return PageResult{Counts: w.counts, Findings: len(w.findings.clientIDs), Cancelled: state.Cancelled}, nil
}

func (p ImportPage) check() error {
	if len(p.NormNames) != len(p.Clients) {
		return &InvalidError{What: "page", Reason: fmt.Sprintf("has %d clients and %d normalised names", len(p.Clients), len(p.NormNames))}
	}
	for i := 1; i < len(p.Clients); i++ {
		if p.Clients[i-1].ID >= p.Clients[i].ID {
			return &InvalidError{What: "page", Reason: "is not in ascending order of id without doubles"}
		}
	}
	if p.Pass < 0 || p.Page < 0 || p.Pages < 0 {
		return &InvalidError{What: "page", Reason: "has a negative number"}
	}
	return nil
}
