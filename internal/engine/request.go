package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// ImportRequest says what to import from which connection. Exactly one of
// All, Search and ClientIDs is set.
type ImportRequest struct {
	Connection  string // name or id
	All         bool
	Search      string
	ClientIDs   []int64
	DryRun      bool
	RequestedBy string
}

// Receipt is the answer to a request.
type Receipt struct {
	RunID string // 32 hex digits
	// Existing says that the same request is waiting or running already, and
	// RunID is its run.
	Existing bool
	// NotQueued is why the run is not in the queue yet. It waits in the ledger,
	// and a worker puts it there as soon as the queue answers.
	NotQueued error
}

// errNoQueue is for an engine that was given none.
var errNoQueue = errors.New("no queue at hand")

// RequestImport writes the run into the ledger and puts it into the queue; with
// the queue away it waits in the ledger, see [Receipt]. Nothing is written when the request is wrong ([*UsageError]), the connection
// unknown ([*NotFoundError]) or not in use.
func (e *Engine) RequestImport(ctx context.Context, tenant string, req ImportRequest) (Receipt, error) {
	conn, err := e.usable(ctx, tenant, req.Connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.ImportArgs{
		Tenant: tenant, ConnectionID: conn.ID.String(),
		All: req.All, Search: req.Search, ClientIDs: req.ClientIDs,
		DryRun: req.DryRun, RequestedBy: req.RequestedBy,
	}
	return request(ctx, e, repo.KindImport, args, tenant, conn.ID.String(), req.RequestedBy)
}

// usable finds a connection that runs may be requested for.
func (e *Engine) usable(ctx context.Context, tenant, ref string) (repo.Connection, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	if conn.State != repo.Active {
		return conn, conflictf("connection %q is %s%s", conn.Name, conn.State, because(conn.StateReason))
	}
	return conn, nil
}

// request writes a run into the ledger and puts it into the queue.
func request[A tasks.Args[A]](ctx context.Context, e *Engine, kind string, args A, tenant, connectionID, by string) (Receipt, error) {
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return Receipt{}, usagef("%v", err)
	}
	row, err := newRun(kind, tasks.NewRunID(), args, tenant, connectionID, by)
	if err != nil {
		return Receipt{}, err
	}
	run, existing, err := e.store.CreateRun(ctx, row)
	if err != nil {
		return Receipt{}, err
	}
	// An existing run is put into the queue once more, which changes nothing
	// if its task is there and heals it if somebody died in between. Of one that
	// is running the dispatcher knows better whether it is alive.
	if existing && run.State == repo.StateRunning {
		return Receipt{RunID: RunID(run.ID), Existing: true}, nil
	}
	return e.queued(ctx, run, existing), nil
}

// queuePatience is how long a request waits for the queue. The run is in the
// ledger by then, from where a worker takes it if this does not succeed.
const queuePatience = 5 * time.Second

// queued puts a run of the ledger into the queue, now or, if that does not
// answer, by a worker later.
func (e *Engine) queued(ctx context.Context, run repo.Run, existing bool) Receipt {
	receipt := Receipt{RunID: RunID(run.ID), Existing: existing}
	if e.queue == nil {
		receipt.NotQueued = errNoQueue
	} else {
		patient, cancel := context.WithTimeout(ctx, queuePatience)
		defer cancel()
		receipt.NotQueued = e.dispatchRun(patient, run)
	}
	if receipt.NotQueued != nil {
		if err := e.giveBack(ctx, []repo.Run{run}); err != nil { // then it takes a minute until it is looked for
			e.log.Warn("run not given back", zap.String("run", receipt.RunID), zap.Error(err))
		}
	}
	return receipt
}

// RunID writes a run's id as the queue and the CLI show it: 32 hex digits
// without hyphens, because asynqmon cuts task ids at the first hyphen.
func RunID(id uuid.UUID) string { return repo.Hex(id) }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
