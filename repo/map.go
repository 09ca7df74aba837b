package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Outcomes of one pair in a request.
const (
	Mapped        Outcome = "mapped"
	AlreadyMapped Outcome = "already mapped" // the company and the client are mapped to each other
	Refused       Outcome = "refused"
)

// MapChunk holds some of a request's pairs, to be mapped in one transaction.
type MapChunk struct {
	Number int // number of the chunk, from 1; unique within the run
	Pairs  []PairLookup
	// Cursor is the checkpoint after this chunk.
	Cursor json.RawMessage
	// RecordsTotal is the number of pairs in the request.
	RecordsTotal int
	MappedBy     string // MappedBy of new mappings: "map" or "suggest"
	How          string // free text for the events
}

// PairLookup is a pair from the request, as the caller wrote it.
type PairLookup struct {
	Number    int       // position in the request, from 1
	CompanyID uuid.UUID // zero if Company is not an id
	Company   string    // id, external id or name
	Norm      string    // normalised form of Company, for comparing names
	ClientID  int64     // 0: Halo has no such client
}

// CompanyMatch is a company that a pair may refer to.
type CompanyMatch struct {
	ID   uuid.UUID
	Name string
}

// ActiveMapping is an active mapping.
type ActiveMapping struct {
	ID, CompanyID uuid.UUID
	CompanyName   string
	ClientID      int64
	ClientName    string
}

// SettledPair is a pair from the request that is already mapped.
type SettledPair struct {
	Pair      int
	CompanyID uuid.UUID
	ClientID  int64
}

// CompanyClient is a company and a client.
type CompanyClient struct {
	CompanyID uuid.UUID
	ClientID  int64
}

// MapState is the stored state of the companies and clients of a chunk.
type MapState struct {
	// Companies holds the companies that each pair may refer to, in the order of the
	// pairs. They are matched by id, external id, exact name and normalised name, in
	// this order; only the first kind that matches counts. For a name there are up to
	// five companies, the oldest first.
	Companies [][]CompanyMatch
	ByCompany map[uuid.UUID]ActiveMapping // on this connection
	ByClient  map[int64]ActiveMapping
	// Settled holds the earlier pairs of the request that contain one of these companies or
	// clients.
	Settled []SettledPair
	// Unmapped holds the pairs that were unmapped after the run was queued.
	Unmapped map[CompanyClient]bool
}

// PairDecision is the mapper's decision about one pair.
type PairDecision struct {
	Pair      int             // number of the pair
	Outcome   Outcome         // [Mapped], [AlreadyMapped] or [Refused]
	Reason    string          // why it was refused
	Ambiguous bool            // refused because several companies or clients match
	CompanyID uuid.UUID       // zero if unknown
	Client    Client          // zero if unknown
	Replaces  []ActiveMapping // [Mapped]: the active mappings that it replaces
}

// MapPairs maps a chunk of pairs in one transaction. It reads the state of their
// companies and clients, calls decide, and writes mappings, events, outcomes, counts
// and checkpoint. The function decide is called at most once and must not use the
// Store. If the chunk was already written, nothing changes.
//
// cancelled reports whether the run was cancelled and should end. MapPairs returns
// [ErrFenced] if another execution owns the run. After any error nothing is written.
func (s *Store) MapPairs(ctx context.Context, ref RunRef, c MapChunk, decide func(MapState) ([]PairDecision, error)) (cancelled bool, err error) {
	err = s.inTenantTx(ctx, ref.Tenant, func(ctx context.Context, tx pgx.Tx) error {
		run, err := lockChunk(ctx, tx, ref, c.Number)
		if cancelled = run.cancelled; err != nil || run.repeated {
			return err
		}
		state, err := readMapState(ctx, tx, ref, c)
		if err != nil {
			return err
		}
		decisions, err := decide(state)
		if err != nil {
			return err
		}
		w, err := newMapWrite(c, decisions)
		if err != nil {
			return err
		}
		return w.send(ctx, tx, ref, run.requestedBy)
	})
	return cancelled, wrap("map pairs", err)
}

// chunkRun holds the fields of a run that a chunk needs.
type chunkRun struct {
	requestedBy         string
	cancelled, repeated bool
}

// lockChunk locks the run of a chunk. A chunk is stored as a page of pass 0.
func lockChunk(ctx context.Context, tx pgx.Tx, ref RunRef, number int) (run chunkRun, err error) {
	err = tx.QueryRow(ctx, lockRunSQL, ref.Tenant, ref.ID, ref.Fence, 0, number, ref.ConnectionID).
		Scan(&run.requestedBy, &run.cancelled, &run.repeated)
	if errors.Is(err, pgx.ErrNoRows) {
		return run, ErrFenced
	}
	return run, err
}

// check returns an error unless the decisions match the chunk.
func (c MapChunk) check(decisions []PairDecision) error {
	if len(decisions) != len(c.Pairs) {
		return &InvalidError{What: "chunk", Reason: fmt.Sprintf("has %d pairs and %d decisions", len(c.Pairs), len(decisions))}
	}
	for i, d := range decisions {
		if d.Pair != c.Pairs[i].Number || d.Pair < 1 {
			return &InvalidError{What: "decision", Reason: fmt.Sprintf("%d is about pair %d, not %d", i, d.Pair, c.Pairs[i].Number)}
		}
		if d.Outcome != Refused && (d.CompanyID == uuid.Nil || d.Client.ID != c.Pairs[i].ClientID) {
			return &InvalidError{What: "decision", Reason: fmt.Sprintf("on pair %d maps nothing, or another client", d.Pair)}
		}
	}
	return nil
}
