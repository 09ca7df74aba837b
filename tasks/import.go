package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/plaintext"
)

// KindImport is the name of the job that imports clients from Halo. It creates
// companies and mappings for them.
const KindImport = "halo:import"

const (
	// MaxClientIDs is the maximum number of client ids in one import. The payload is then
	// about 100 kB long.
	MaxClientIDs = 10_000
	// maxInteractiveIDs is the maximum number of clients in an interactive import,
	// which sends one request to Halo for each client.
	maxInteractiveIDs = 100
	// maxText is the maximum length of free text in bytes.
	maxText = 200
	// maxName is the maximum length of a company or client name in bytes.
	maxName = 4_000
)

// Import declares the import. Each execution is one time slice of the run: the engine
// stops well before the timeout and returns [Later].
func Import() Kind[ImportArgs, RunResult] {
	return Kind[ImportArgs, RunResult]{
		Name:        KindImport,
		Queue:       ImportArgs.queue,
		MaxAttempts: 10,
		Timeout:     30 * time.Minute,
		Retention:   24 * time.Hour,
	}
}

// ImportArgs selects the clients to import. Set exactly one of All, Search and
// ClientIDs.
type ImportArgs struct {
	Tenant       string `json:"tenant"`
	ConnectionID string `json:"connection_id"` // uuid
	// All selects every client that the connection can access.
	All bool `json:"all,omitempty"`
	// Search selects the clients that Halo finds when it searches for this text.
	Search string `json:"search,omitempty"`
	// ClientIDs selects 1 to [MaxClientIDs] clients by their ids in Halo.
	ClientIDs []int64 `json:"client_ids,omitempty"`
	// DryRun makes every decision but writes no mappings or companies.
	DryRun bool `json:"dry_run,omitempty"`
	// RequestedBy is recorded only. It is not part of the request's [Key].
	RequestedBy string `json:"requested_by,omitempty"`
}

// RunResult is the result of a run. Its fields have the same names as in the run's
// record.
type RunResult struct {
	RunID        string `json:"id"`
	State        string `json:"state"` // for example [StateSucceeded] or [StatePartial]
	Pages        int    `json:"pages"`
	Records      int    `json:"records"`
	RecordsTotal int    `json:"records_total"`
	Complete     bool   `json:"complete"` // the run read everything that was requested
	Created      int    `json:"created"`
	Linked       int    `json:"linked"`
	Refreshed    int    `json:"refreshed"`
	Unchanged    int    `json:"unchanged"`
	Ambiguous    int    `json:"ambiguous"`
	Skipped      int    `json:"skipped"`
	Failed       int    `json:"failed"`
	Missing      int    `json:"missing"`    // mappings whose client Halo no longer shows
	Unverified   int    `json:"unverified"` // mappings that could not be verified
	Removed      int    `json:"removed"`    // mappings that the run unmapped
	// Error says in a sentence why the run did not succeed.
	Error string `json:"error"`
	// Items are the clients, pairs and mappings that were not processed or need a person's
	// attention, each with the reason: at most the first 100, and at most 32 KiB.
	Items []ResultItem `json:"items,omitempty"`
	// MoreItems reports whether the run has more items than Items contains. The run's
	// record contains all of them: "enqueue runs show", GET /api/v1/runs/{id}, or
	// halosync.run_reasons in SQL.
	MoreItems bool `json:"more_items,omitempty"`
}

// ResultItem is a client, pair or mapping that a run did not process, or that needs a
// person's attention.
type ResultItem struct {
	ClientID  int64  `json:"client_id,omitempty"`
	CompanyID string `json:"company_id,omitempty"` // uuid
	Pair      int    `json:"pair,omitempty"`       // position in the request, from 1
	Outcome   string `json:"outcome"`              // for example failed, refused, ambiguous, missing
	Reason    string `json:"reason"`
}

// Validate reports all faults of the arguments at once. It does not connect to
// anything.
func (a ImportArgs) Validate() error {
	return errors.Join(
		checkText("tenant", a.Tenant, true),
		checkUUID("connection id", a.ConnectionID),
		a.checkSelection(),
		checkText("search", a.Search, false),
		checkClientIDs(a.ClientIDs),
		checkText("requested by", a.RequestedBy, false),
	)
}

// Canonical returns the form that equivalent arguments share: the connection id in
// lower case, the search without surrounding space, and the client ids sorted without
// duplicates. It does not modify a.
func (a ImportArgs) Canonical() ImportArgs {
	a.ConnectionID = strings.ToLower(a.ConnectionID)
	a.Search = strings.TrimSpace(a.Search)
	ids := slices.Clone(a.ClientIDs)
	slices.Sort(ids)
	a.ClientIDs = slices.Compact(ids)
	return a
}

func (a ImportArgs) identity() any {
	a = a.Canonical()
	a.RequestedBy = ""
	return a
}

// Origin implements [Args].
func (a ImportArgs) Origin() Stored {
	return Stored{Tenant: a.Tenant, ConnectionID: a.ConnectionID, RequestedBy: a.RequestedBy}
}

func (a ImportArgs) queue() string {
	if n := len(a.ClientIDs); 0 < n && n <= maxInteractiveIDs {
		return QueueInteractive
	}
	return QueueImport
}

func (a ImportArgs) checkSelection() error {
	chosen := 0
	for _, set := range []bool{a.All, a.Search != "", len(a.ClientIDs) > 0} {
		if set {
			chosen++
		}
	}
	switch {
	case chosen == 0:
		return errors.New("nothing to import: want all, a search or client ids")
	case chosen > 1:
		return errors.New("want one of all, search and client ids, not several")
	}
	return nil
}

func checkClientIDs(ids []int64) error {
	if len(ids) > MaxClientIDs {
		return fmt.Errorf("client ids: %d given, at most %d are allowed", len(ids), MaxClientIDs)
	}
	if i := slices.IndexFunc(ids, func(id int64) bool { return id < 1 }); i >= 0 {
		return fmt.Errorf("client ids: %d is not a client id", ids[i])
	}
	return nil
}

func checkUUID(name, s string) error {
	if s == "" {
		return fmt.Errorf("%s: missing", name)
	}
	// uuid.Parse alone would accept braces and prefixes.
	if id, err := uuid.Parse(s); err != nil || len(s) != 36 || id == uuid.Nil {
		return fmt.Errorf("%s: not a uuid of the form 0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6", name)
	}
	return nil
}

func checkText(name, s string, required bool) error {
	return checkLength(name, s, required, maxText)
}

// checkName is like checkText, but for the names of companies and clients, which may be
// longer.
func checkName(name, s string, required bool) error {
	return checkLength(name, s, required, maxName)
}

func checkLength(name, s string, required bool, maxBytes int) error {
	switch {
	case required && s == "":
		return fmt.Errorf("%s: missing", name)
	case s != "" && strings.TrimSpace(s) == "":
		return fmt.Errorf("%s: only space", name)
	case len(s) > maxBytes:
		return fmt.Errorf("%s: %d bytes, at most %d are allowed", name, len(s), maxBytes)
	}
	if err := plaintext.Check(s); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
