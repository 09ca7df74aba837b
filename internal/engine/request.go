package engine

import (
	"context"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Receipt is the answer to a request.
type Receipt = dispatch.Receipt

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

// RequestImport writes the run into the ledger and puts it into the queue; with the
// queue away it waits in the ledger, see [Receipt]. Nothing is written when the request
// is wrong ([*UsageError]), or the connection unknown ([*NotFoundError]) or not active.
func (e *Engine) RequestImport(ctx context.Context, tenant string, req ImportRequest) (Receipt, error) {
	conn, err := e.activeConnection(ctx, tenant, req.Connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.ImportArgs{
		Tenant: tenant, ConnectionID: conn.ID.String(),
		All: req.All, Search: req.Search, ClientIDs: req.ClientIDs,
		DryRun: req.DryRun, RequestedBy: req.RequestedBy,
	}
	return request(ctx, e, repo.KindImport, args)
}

// MapRequest says which companies to map to which clients of a connection.
type MapRequest struct {
	Connection  string       // name or id
	Pairs       []tasks.Pair // 1 to [tasks.MaxPairs]
	Replace     bool         // re-point what is mapped elsewhere
	Suggested   bool         // the pairs are suggestions that were accepted
	RequestedBy string
}

// RequestMap writes the run into the ledger and puts it into the queue. It
// gives the errors of [Engine.RequestImport].
func (e *Engine) RequestMap(ctx context.Context, tenant string, req MapRequest) (Receipt, error) {
	conn, err := e.activeConnection(ctx, tenant, req.Connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.MapArgs{
		Tenant: tenant, ConnectionID: conn.ID.String(), Pairs: req.Pairs,
		Replace: req.Replace, Suggested: req.Suggested, RequestedBy: req.RequestedBy,
	}
	return request(ctx, e, repo.KindMap, args)
}

// RequestResync asks for a connection's mappings to be reconciled with Halo.
func (e *Engine) RequestResync(ctx context.Context, tenant, connection, by string) (Receipt, error) {
	conn, err := e.activeConnection(ctx, tenant, connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.ResyncArgs{Tenant: tenant, ConnectionID: conn.ID.String(), RequestedBy: by}
	return request(ctx, e, repo.KindResync, args)
}

// RequestUnmap writes an unmap run into the ledger and puts it into the queue.
// It gives the errors of [Engine.RequestImport], but a connection that is not
// in use will do: Halo is not asked.
func (e *Engine) RequestUnmap(ctx context.Context, tenant, connection string, ids []string, actor string) (Receipt, error) {
	conn, err := e.FindConnection(ctx, tenant, connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.UnmapArgs{Tenant: tenant, ConnectionID: conn.ID.String(), MappingIDs: ids, RequestedBy: actor}
	return request(ctx, e, repo.KindUnmap, args)
}

// activeConnection finds a connection that runs may be requested for.
func (e *Engine) activeConnection(ctx context.Context, tenant, ref string) (repo.Connection, error) {
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
func request[A tasks.Args[A]](ctx context.Context, e *Engine, kind repo.RunKind, args A) (Receipt, error) {
	args = args.Canonical()
	if err := args.Validate(); err != nil {
		return Receipt{}, usagef("%v", err)
	}
	row, err := dispatch.NewRun(kind, tasks.NewRunID(), args)
	if err != nil {
		return Receipt{}, err
	}
	run, existing, err := e.store.CreateRun(ctx, row)
	if err != nil {
		return Receipt{}, err
	}
	// An existing run is put into the queue once more, which changes nothing if its task
	// is there and repairs it if a process died in between. Of one that is running the
	// dispatcher knows better whether it is alive.
	if existing && run.State == repo.StateRunning {
		return Receipt{RunID: RunID(run.ID), Existing: true}, nil
	}
	return e.dispatch.Queue(ctx, run, existing), nil
}

// RunID writes a run's id as the queue and the CLI show it: 32 hex digits without
// hyphens, because asynqmon cuts task ids at the first hyphen.
func RunID(id uuid.UUID) string { return repo.Hex(id) }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
