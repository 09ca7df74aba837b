package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
)

// receiptView is the answer to a request that starts a run.
type receiptView struct {
	RunID    string `json:"run_id" doc:"Id of the run. GET /runs/{run} shows its progress." example:"0193f2a4c5d77e0a9b1c2d3e4f506172"`
	Existing bool   `json:"existing" doc:"The same request is already in progress; this is its run."`
	Queued   bool   `json:"queued" doc:"False if the queue is unavailable. The run is saved and starts as soon as the queue is back."`
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
		All        bool    `json:"all,omitempty" doc:"Import all clients of Halo. One of the fields all, search and client_ids is required."`
		Search     string  `json:"search,omitempty" maxLength:"200" doc:"Import the clients that Halo's search returns for this text."`
		ClientIDs  []int64 `json:"client_ids,omitempty" minimum:"1" maximum:"9007199254740991" maxItems:"10000" doc:"Import these clients."`
		DryRun     bool    `json:"dry_run,omitempty" doc:"Preview only: the counts and items of the run show what the import would do."`
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
	o.about = "A client that is not mapped is linked to the unmapped company of the same name, or gets a new company. If several companies have the name, a person decides."
	add(h, o, func(ctx context.Context, p access.Principal, in *newImport) (*receipt, error) {
		b := in.Body
		return receiptOf(h.engine.RequestImport(ctx, p.Tenant, engine.ImportRequest{
			Connection: b.Connection, All: b.All, Search: b.Search, ClientIDs: b.ClientIDs, DryRun: b.DryRun, RequestedBy: p.Actor,
		}))
	})
	o.id, o.path, o.summary = "resync", "/resyncs", "Reconcile a connection's mappings with Halo now"
	o.about = "A run that would mark too many mappings as missing is held until a person approves it."
	add(h, o, func(ctx context.Context, p access.Principal, in *newResync) (*receipt, error) {
		return receiptOf(h.engine.RequestResync(ctx, p.Tenant, in.Body.Connection, p.Actor))
	})
}
