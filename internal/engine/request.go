package engine

import (
	"context"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Receipt is the response to a request.
type Receipt = dispatch.Receipt

// ImportRequest is a request for an import. Set exactly one of All, Search and
// ClientIDs.
type ImportRequest struct {
	Connection  string // name or id
	All         bool
	Search      string
	ClientIDs   []int64
	DryRun      bool
	RequestedBy string
}

// RequestImport records a run in the ledger and enqueues it. If the queue is
// unavailable, the run waits in the ledger; see [Receipt]. If the request is invalid
// or the connection is not active, RequestImport records nothing and returns a
// [*UsageError]. If the connection does not exist, it returns a [*NotFoundError].
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

// MapRequest is a request to map companies to clients of a connection.
type MapRequest struct {
	Connection  string       // name or id
	Pairs       []tasks.Pair // 1 to [tasks.MaxPairs]
	Replace     bool         // replace mappings of these companies and clients
	Suggested   bool         // the pairs are accepted suggestions
	RequestedBy string
}

// RequestMap records a run in the ledger and enqueues it. It returns the same errors as
// [Engine.RequestImport].
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

// RequestResync requests a run that reconciles a connection's mappings with Halo.
func (e *Engine) RequestResync(ctx context.Context, tenant, connection, by string) (Receipt, error) {
	conn, err := e.activeConnection(ctx, tenant, connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.ResyncArgs{Tenant: tenant, ConnectionID: conn.ID.String(), RequestedBy: by}
	return request(ctx, e, repo.KindResync, args)
}

// RequestUnmap records an unmap run in the ledger and enqueues it. It returns the same
// errors as [Engine.RequestImport], but accepts an inactive connection, because
// unmapping sends no request to Halo.
func (e *Engine) RequestUnmap(ctx context.Context, tenant, connection string, ids []string, actor string) (Receipt, error) {
	conn, err := e.FindConnection(ctx, tenant, connection)
	if err != nil {
		return Receipt{}, err
	}
	args := tasks.UnmapArgs{Tenant: tenant, ConnectionID: conn.ID.String(), MappingIDs: ids, RequestedBy: actor}
	return request(ctx, e, repo.KindUnmap, args)
}

// activeConnection returns a connection, or an error if the connection is not active.
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

// request records a run in the ledger and enqueues it.
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
	// Enqueueing an existing run changes nothing if its task exists. Otherwise it repairs a
	// run whose requester died before enqueueing it. The dispatcher monitors running runs
	// through their heartbeats.
	if existing && run.State == repo.StateRunning {
		return Receipt{RunID: RunID(run.ID), Existing: true}, nil
	}
	return e.dispatch.Queue(ctx, run, existing), nil
}

// RunID returns a run's id in the form used by the queue and the CLI: 32 hex digits
// without hyphens, because asynqmon truncates task ids at the first hyphen.
func RunID(id uuid.UUID) string { return repo.Hex(id) }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
