package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

// oneRun is the path parameter of operations on a single run.
type oneRun struct {
	Run string `path:"run" pattern:"^[0-9a-fA-F]{32}$" doc:"Id of the run." example:"0193f2a4c5d77e0a9b1c2d3e4f506172"`
}

type runFilter struct {
	Page
	Connection string        `query:"connection" maxLength:"200" doc:"Only runs of this connection (id or name)."`
	Kind       repo.RunKind  `query:"kind" enum:"import,map,unmap,resync,suggest"`
	State      repo.RunState `query:"state" enum:"queued,running,succeeded,partial,held,failed,cancelled"`
}

type runOut struct{ Body view.Run }

func (h *Handler) runs() {
	add(h, operation{
		id: "list-runs", method: http.MethodGet, path: "/runs", tag: "Runs", scope: access.Read,
		summary: "List the runs, newest first, without their items", errors: []int{http.StatusNotFound},
	}, h.listRuns)
	o := operation{tag: "Runs", method: http.MethodGet, scope: access.Read, errors: []int{http.StatusNotFound}}
	o.id, o.path, o.summary = "get-run", "/runs/{run}", "Show a run and the items that need a person's attention"
	add(h, o, func(ctx context.Context, p access.Principal, in *oneRun) (*runOut, error) {
		run, err := h.engine.Run(ctx, p.Tenant, in.Run)
		if err != nil {
			return nil, err
		}
		return &runOut{view.NewRun(run)}, nil
	})
	o.method, o.scope = http.MethodPost, access.Write
	o.id, o.path, o.summary = "cancel-run", "/runs/{run}/cancel", "Cancel a run after the current page; its changes stay"
	add(h, o, func(ctx context.Context, p access.Principal, in *oneRun) (*runOut, error) {
		run, err := h.engine.Cancel(ctx, p.Tenant, in.Run, p.Actor)
		if err != nil {
			return nil, err
		}
		return &runOut{view.NewRun(run)}, nil
	})
	o.id, o.path, o.summary = "undo-run", "/runs/{run}/undo", "Undo a finished import or map run"
	o.about = "Unmaps the mappings and deletes the companies that the run created, unless a person has changed them since. The answer lists what was left unchanged, with the reason. It is safe to repeat."
	add(h, o, func(ctx context.Context, p access.Principal, in *oneRun) (*struct{ Body view.Undo }, error) {
		undo, err := h.engine.UndoRun(ctx, p.Tenant, p.Actor, in.Run)
		if err != nil {
			return nil, err
		}
		return &struct{ Body view.Undo }{view.NewUndo(undo)}, nil
	})
	o.status = http.StatusAccepted
	o.id, o.path, o.summary = "retry-run", "/runs/{run}/retry", "Repeat the request of a finished run; start a waiting run now"
	o.about = ""
	add(h, o, h.again((*engine.Engine).Retry))
	o.id, o.path, o.summary = "approve-run", "/runs/{run}/approve", "Approve a held run, which starts again with Halo's current data"
	add(h, o, h.again((*engine.Engine).Approve))
}

type repetition = func(e *engine.Engine, ctx context.Context, tenant, runID, actor string) (engine.Receipt, error)

func (h *Handler) again(ask repetition) func(context.Context, access.Principal, *oneRun) (*receipt, error) {
	return func(ctx context.Context, p access.Principal, in *oneRun) (*receipt, error) {
		return receiptOf(ask(h.engine, ctx, p.Tenant, in.Run, p.Actor))
	}
}

func (h *Handler) listRuns(ctx context.Context, p access.Principal, in *runFilter) (*listOf[view.Run], error) {
	f := repo.RunFilter{Kind: in.Kind, State: in.State, Limit: in.Limit + 1}
	parts, err := parseCursor("runs", in.After, 2)
	if err != nil {
		return nil, err
	}
	if parts != nil {
		at, timeErr := time.Parse(time.RFC3339Nano, parts[0])
		id, idErr := uuid.Parse(parts[1])
		if timeErr != nil || idErr != nil {
			return nil, fault("query.after", "not a cursor of this list")
		}
		f.QueuedBefore, f.BeforeID = at, id
	}
	if f.ConnectionID, err = h.only(ctx, p, in.Connection); err != nil {
		return nil, err
	}
	rows, err := h.store.Runs(ctx, p.Tenant, f)
	return page(rows, err, in.Limit, view.NewRun, func(r repo.Run) string {
		return cursor("runs", r.QueuedAt.UTC().Format(time.RFC3339Nano), r.ID.String())
	})
}
