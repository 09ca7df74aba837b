package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
)

// receiptView is the answer to a request for a run.
type receiptView struct {
	RunID    string `json:"run_id" doc:"Where /runs/{run} shows what becomes of it." example:"0193f2a4c5d77e0a9b1c2d3e4f506172"`
	Existing bool   `json:"existing" doc:"The same request is waiting or running already; this is its run."`
	Queued   bool   `json:"queued" doc:"False: the queue does not answer just now. The run is recorded, and a worker takes it up once it does."`
}

type receipt struct {
	Location string `header:"Location"`
	Body     receiptView
}

func receiptOf(r engine.Receipt, err error) (*receipt, error) {
	if err != nil {
		return nil, err
	}
	return &receipt{
		Location: Prefix + "/runs/" + r.RunID,
		Body:     receiptView{RunID: r.RunID, Existing: r.Existing, Queued: r.NotQueued == nil},
	}, nil
}

type newImport struct {
	Body struct {
		Connection string  `json:"connection" minLength:"1" maxLength:"200" doc:"Id or name."`
		All        bool    `json:"all,omitempty" doc:"All of Halo's clients. One of all, search and client_ids is needed."`
		Search     string  `json:"search,omitempty" maxLength:"200" doc:"Those that Halo finds for this text."`
		ClientIDs  []int64 `json:"client_ids,omitempty" minimum:"1" maximum:"9007199254740991" maxItems:"10000" doc:"These clients."`
		DryRun     bool    `json:"dry_run,omitempty" doc:"Only find out what would happen: the run's counts and items say it."`
	}
}

type newResync struct {
	Body struct {
		Connection string `json:"connection" minLength:"1" maxLength:"200" doc:"Id or name."`
	}
}

func (h *Handler) requests() {
	o := operation{
		method: http.MethodPost, tag: "Runs", scope: access.Write, status: http.StatusAccepted, errors: []int{http.StatusNotFound},
	}
	o.id, o.path, o.summary = "import", "/imports", "Import clients as companies"
	o.about = "A client that is not mapped gets a new company, or the existing one of the same name; where several fit, a person decides."
	add(h, o, func(ctx context.Context, p access.Principal, in *newImport) (*receipt, error) {
		b := in.Body
		return receiptOf(h.engine.RequestImport(ctx, p.Tenant, engine.ImportRequest{
			Connection: b.Connection, All: b.All, Search: b.Search, ClientIDs: b.ClientIDs, DryRun: b.DryRun, RequestedBy: p.Actor,
		}))
	})
	o.id, o.path, o.summary = "resync", "/resyncs", "Reconcile a connection's mappings with Halo now"
	o.about = "A run that would mark too many mappings missing is held for a person, who may approve it."
	add(h, o, func(ctx context.Context, p access.Principal, in *newResync) (*receipt, error) {
		return receiptOf(h.engine.RequestResync(ctx, p.Tenant, in.Body.Connection, p.Actor))
	})
}
