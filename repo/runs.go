package repo

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Kinds of runs.
const (
	KindImport = "import"
	KindMap    = "map"
	KindUnmap  = "unmap"
	KindResync = "resync"
)

// States of a run. A resync, and an import but for one of up to 100 named
// clients, are bulk runs: one of them at a time is running on a connection.
const (
	StateQueued    = "queued"
	StateRunning   = "running"
	StateSucceeded = "succeeded"
	StatePartial   = "partial"   // ended, and not all was seen or done
	StateHeld      = "held"      // ended without doing what a person must approve
	StateFailed    = "failed"    // ended with an error
	StateCancelled = "cancelled" // ended because a person asked for it
)

// Counts says how many clients had which outcome.
type Counts struct {
	Created   int // company and mapping made
	Linked    int // mapping to an existing company made
	Refreshed int // mapping updated with what Halo says now
	Unchanged int
	Ambiguous int // several companies fit
	Skipped   int
	Failed    int
	// Of mappings rather than clients:
	Missing    int // the client is gone from Halo
	Unverified int // the client could not be read
	Removed    int
}

// Run is one execution of a job, over all its attempts.
type Run struct {
	ID                uuid.UUID
	Kind              string // [KindImport], [KindMap], [KindUnmap] or [KindResync]
	Tenant            string
	ConnectionID      uuid.UUID
	Args              json.RawMessage
	RequestKey        string // the same request has the same key
	RequestedBy       string
	State             string
	Attempt           int // executions so far, waits included
	QueuedAt          time.Time
	StartedAt         *time.Time // of the first execution
	FinishedAt        *time.Time
	CancelRequestedAt *time.Time
	NotBefore         *time.Time // queued: when it is meant to go on
	WaitReason        string     // queued: why it waits
	Pages             int        // written
	Passes            int        // over the listing, begun
	Records           int        // clients decided on
	RecordsTotal      int        // as far as is known; 0: unknown
	Complete          bool       // everything there was to see has been seen
	Counts
	Error           string
	DispatchedAt    *time.Time // when its task was last put into the queue, or seen there
	ApprovedAt      *time.Time // a held run that a person let go on
	ApprovedBy      string
	Deaths          int       // executions in a row that ended with their worker, without a page in between
	Stack           string    // of the panic that failed the run
	ApprovedMissing int       // as many mappings may be marked missing, whatever the ceiling
	Items           []RunItem `db:"-"` // what needs a person; in listings always nil
	Pairs           []RunItem `db:"-"` // the outcome of each pair of a request; in listings always nil
}

// Ended says whether the run is over.
func (r Run) Ended() bool { return r.State != StateQueued && r.State != StateRunning }

// RunItem is something of a run that needs a person. ClientID or CompanyID is
// zero where it does not apply.
type RunItem struct {
	ClientID  int64
	CompanyID uuid.UUID
	Outcome   string
	Reason    string
	Pair      int  // of the request, from 1; 0: not about a pair
	Settled   bool // needs no person
}

// maxItems is how many items that need a person a run keeps, and maxPairs how
// many outcomes of pairs.
const (
	maxItems = 1000
	maxPairs = 5000
)

// RunFilter narrows [Store.Runs]; the zero value of a field does not.
type RunFilter struct {
	ConnectionID *uuid.UUID
	Kind         string
	State        string
	Since        time.Time // only what was queued then or later
	QueuedBefore time.Time // the next page: only what was queued before this time,
	BeforeID     uuid.UUID // or at it, with a smaller id
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

// queryRun expects one row; none is [pgx.ErrNoRows].
func queryRun(ctx context.Context, q querier, sql string, args ...any) (Run, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return Run{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Run])
}

// RunAlone reads one run without its items, for whoever looks at it often.
func (s *Store) RunAlone(ctx context.Context, tenant string, id uuid.UUID) (Run, error) {
	run, err := queryRun(ctx, s.forTenant(tenant), `select `+runColumns+` from halosync.runs where tenant = $1 and id = $2`, tenant, id)
	return run, wrap("run", err)
}

// Run reads one run with its items.
func (s *Store) Run(ctx context.Context, tenant string, id uuid.UUID) (Run, error) {
	run, err := s.RunAlone(ctx, tenant, id)
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

// RunItems reads what needs a person, at most 1,000 items, and the outcomes of
// pairs, at most 5,000, in the order in which they came up.
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
