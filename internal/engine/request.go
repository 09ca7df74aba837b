package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

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
}

// RequestImport writes the run into the ledger and puts it into the queue.
// Nothing is queued when the request is wrong ([*UsageError]), the connection
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
	return request(ctx, e, repo.KindImport, tasks.Import(), args, tenant, conn.ID.String(), req.RequestedBy)
}

// usable finds a connection that runs may be requested for.
func (e *Engine) usable(ctx context.Context, tenant, ref string) (repo.Connection, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	if conn.State != repo.Active {
		return conn, usagef("connection %q is %s%s", conn.Name, conn.State, because(conn.StateReason))
	}
	return conn, nil
}

// request writes a run into the ledger and puts it into the queue.
func request[A tasks.Args[A], R any](ctx context.Context, e *Engine, kind string, job tasks.Kind[A, R], args A, tenant, connectionID, by string) (Receipt, error) {
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return Receipt{}, usagef("%v", err)
	}
	// Before anything is written: a queue that cannot be reached is the
	// commonest fault, and then nothing has happened.
	if err := e.queue.Ping(ctx); err != nil {
		return Receipt{}, fmt.Errorf("queue: %w", err)
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
	// if its task is there and heals it if somebody died in between.
	return Receipt{RunID: RunID(run.ID), Existing: existing}, enqueue(ctx, e, job, run, args)
}

// enqueue puts a run of the ledger into the queue. When that fails, the run
// is closed, so that it is neither lost nor waiting for ever.
func enqueue[A tasks.Args[A], R any](ctx context.Context, e *Engine, kind tasks.Kind[A, R], run repo.Run, args A) error {
	return e.queued(ctx, run, tasks.Enqueue(ctx, e.queue, kind, RunID(run.ID), args))
}

// queued closes a run that err kept out of the queue.
func (e *Engine) queued(ctx context.Context, run repo.Run, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("queue: %w", err)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return errors.Join(err, e.store.FailQueued(closing, run.Tenant, run.ID, reason(err)))
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
