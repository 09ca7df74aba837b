package repo

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// RunKind is the kind of a run. The name of the run's task is the kind with the prefix
// "halo:".
type RunKind string

// Kinds of runs.
const (
	KindImport  RunKind = "import"
	KindMap     RunKind = "map"
	KindUnmap   RunKind = "unmap"
	KindResync  RunKind = "resync"
	KindSuggest RunKind = "suggest"
)

// MayBeBulk reports whether runs of the kind can be bulk runs. Resyncs and suggestions are
// bulk runs. An import is also a bulk run, unless it names at most 100 clients. A
// connection has at most one running bulk run.
func (k RunKind) MayBeBulk() bool { return k == KindImport || k == KindResync || k == KindSuggest }

// RunState is the state of a run.
type RunState string

// States of a run.
const (
	StateQueued    RunState = "queued"
	StateRunning   RunState = "running"
	StateSucceeded RunState = "succeeded"
	StatePartial   RunState = "partial"   // ended without reading or doing everything
	StateHeld      RunState = "held"      // ended before changes that a person must approve
	StateFailed    RunState = "failed"    // ended with an error
	StateCancelled RunState = "cancelled" // ended at a person's request
)

// Counts holds the number of clients for each outcome.
type Counts struct {
	Created   int // company and mapping created
	Linked    int // mapping to an existing company created
	Refreshed int // mapping updated from Halo's answer
	Unchanged int
	Ambiguous int // several companies match
	Skipped   int
	Failed    int
	// The remaining fields count mappings, not clients:
	Missing    int // Halo no longer shows the client
	Unverified int // the client could not be read
	Removed    int
}

// Run is one request with all its executions.
type Run struct {
	ID                uuid.UUID
	Kind              RunKind
	Tenant            string
	ConnectionID      uuid.UUID
	Args              json.RawMessage
	RequestKey        string // equal requests have the same key
	RequestedBy       string
	State             RunState
	Attempt           int // executions so far, including those that only waited
	QueuedAt          time.Time
	StartedAt         *time.Time // start of the first execution
	FinishedAt        *time.Time
	CancelRequestedAt *time.Time
	NotBefore         *time.Time // queued: not executed before this time
	WaitReason        string     // queued: the reason for waiting
	Pages             int        // pages written
	Passes            int        // passes started
	Records           int        // clients processed
	RecordsTotal      int        // 0: unknown
	Complete          bool       // the whole list was read
	Counts
	Error           string
	DispatchedAt    *time.Time // when its task was last put into the queue or found there
	ApprovedAt      *time.Time // approval time of a held run
	ApprovedBy      string
	WorkerCrashes   int       `db:"deaths"` // consecutive executions that ended with a worker crash and wrote no batch
	Stack           string    // stack of the panic that failed the run
	ApprovedMissing int       // number of mappings that an approved run may mark as missing
	Items           []RunItem `db:"-"` // results that need a person's attention; nil in listings
	Pairs           []RunItem `db:"-"` // the outcome of each pair in a request; nil in listings
}

// Ended reports whether the run has ended.
func (r Run) Ended() bool { return r.State != StateQueued && r.State != StateRunning }

// RunItem is a result that needs a person's attention, or the outcome of a pair.
// ClientID and CompanyID are zero where they do not apply.
type RunItem struct {
	ClientID  int64
	CompanyID uuid.UUID
	Outcome   Outcome
	Reason    string
	Pair      int  // position in the request, from 1; 0: not about a pair
	Settled   bool // does not need a person's attention
}

// maxItems is the maximum number of items that a run stores for a person's attention.
// maxPairs is the maximum number of stored outcomes of pairs.
const (
	maxItems = 1000
	maxPairs = 5000
)

// RunFilter restricts [Store.Runs]. The zero value of a field means no restriction.
type RunFilter struct {
	ConnectionID *uuid.UUID
	Kind         RunKind
	State        RunState
	Since        time.Time // only runs that were queued at or after this time
	QueuedBefore time.Time // the next page: only runs that were queued before this time,
	BeforeID     uuid.UUID // or at this time with a smaller id
	Limit        int       // 1 to 1,000; 0 means 100
}

const runColumns = `id, kind, tenant, connection_id, args, request_key, requested_by, state, attempt,
	queued_at, started_at, finished_at, cancel_requested_at, not_before, wait_reason,
	pages, passes, records, records_total, complete,
	created, linked, refreshed, unchanged, ambiguous, skipped, failed, missing, unverified, removed, error,
	dispatched_at, approved_at, approved_by, approved_missing, deaths, stack`

func queryRuns(ctx context.Context, q querier, sql string, args ...any) ([]Run, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Run])
}

// queryRun reads exactly one row. Without a row, the error is [pgx.ErrNoRows].
func queryRun(ctx context.Context, q querier, sql string, args ...any) (Run, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return Run{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Run])
}

// RunSummary reads one run without its items, for callers that poll.
func (s *Store) RunSummary(ctx context.Context, tenant string, id uuid.UUID) (Run, error) {
	run, err := queryRun(ctx, s.forTenant(tenant), `select `+runColumns+` from halosync.runs where tenant = $1 and id = $2`, tenant, id)
	return run, wrap("run", err)
}

// Run reads one run with its items.
func (s *Store) Run(ctx context.Context, tenant string, id uuid.UUID) (Run, error) {
	run, err := s.RunSummary(ctx, tenant, id)
	if err != nil {
		return Run{}, err
	}
	rows, err := s.RunItems(ctx, tenant, id)
	for _, row := range rows {
		if !row.Settled && len(run.Items) < maxItems {
			run.Items = append(run.Items, row)
		}
		if row.Pair > 0 {
			run.Pairs = append(run.Pairs, row)
		}
	}
	return run, err
}

// RunItems reads up to 1,000 items that need a person's attention and up to 5,000
// outcomes of pairs, in the order in which they were written.
func (s *Store) RunItems(ctx context.Context, tenant string, id uuid.UUID) ([]RunItem, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `
		select coalesce(client_id, 0) as client_id,
			coalesce(company_id, '00000000-0000-0000-0000-000000000000') as company_id, outcome, reason,
			coalesce(pair, 0) as pair, settled
		from halosync.run_items where tenant = $1 and run_id = $2 order by seq`, tenant, id)
	if err != nil {
		return nil, wrap("items of the run", err)
	}
	items, err := pgx.CollectRows(rows, pgx.RowToStructByName[RunItem])
	return items, wrap("items of the run", err)
}

// Runs lists the tenant's runs, newest first, without their items.
func (s *Store) Runs(ctx context.Context, tenant string, f RunFilter) ([]Run, error) {
	runs, err := queryRuns(ctx, s.forTenant(tenant), `
		select `+runColumns+` from halosync.runs
		where tenant = $1 and ($2::uuid is null or connection_id = $2) and ($3 = '' or kind = $3) and ($4 = '' or state = $4)
			and ($5::timestamptz is null or (queued_at, id) < ($5, $7))
			and ($8::timestamptz is null or queued_at >= $8)
		order by queued_at desc, id desc limit $6`,
		tenant, f.ConnectionID, f.Kind, f.State, orNull(f.QueuedBefore), limit(f.Limit), f.BeforeID, orNull(f.Since))
	return runs, wrap("runs", err)
}
