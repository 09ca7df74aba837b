package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

type mappingFilter struct {
	Page
	Connection string `query:"connection" maxLength:"200" doc:"Only those of this connection (id or name)."`
	Search     string `query:"search" maxLength:"200" doc:"Only those whose company's or client's name contains this text, in any case."`
	State      string `query:"state" enum:"ok,inactive,missing,unverified" doc:"Only those in this state."`
	Deleted    bool   `query:"deleted" doc:"Those that were deleted, instead of those in force."`
}

type newPair struct {
	Company    string `json:"company" minLength:"1" maxLength:"1000" doc:"Id, external id or exact name."`
	ClientID   int64  `json:"client_id,omitempty" minimum:"1" maximum:"9007199254740991" doc:"One of client_id and client_name is needed."`
	ClientName string `json:"client_name,omitempty" maxLength:"1000" doc:"The exact name in Halo."`
}

type newPairs struct {
	Body struct {
		Connection string    `json:"connection" minLength:"1" maxLength:"200" doc:"Id or name."`
		Pairs      []newPair `json:"pairs" minItems:"1" maxItems:"5000" nullable:"false"`
		Replace    bool      `json:"replace,omitempty" doc:"Re-point what is mapped elsewhere instead of refusing it."`
		Suggested  bool      `json:"suggested,omitempty" doc:"The pairs are suggestions that were accepted."`
	}
}

func (h *Handler) mappings() {
	add(h, operation{
		id: "list-mappings", method: http.MethodGet, path: "/mappings", tag: "Mappings", scope: access.Read,
		summary: "The mappings, oldest first", errors: []int{http.StatusNotFound},
	}, h.listMappings)
	add(h, operation{
		id: "map", method: http.MethodPost, path: "/mappings", tag: "Mappings", scope: access.Write, status: http.StatusAccepted,
		summary: "Map existing companies to clients, as a run", errors: []int{http.StatusNotFound},
		about: "The run's pairs say what became of each.",
	}, func(ctx context.Context, p access.Principal, in *newPairs) (*receipt, error) {
		b := in.Body
		pairs := make([]tasks.Pair, len(b.Pairs))
		for i, pair := range b.Pairs {
			pairs[i] = tasks.Pair{Company: pair.Company, ClientID: pair.ClientID, ClientName: pair.ClientName}
		}
		return receiptOf(h.engine.RequestMap(ctx, p.Tenant, engine.MapRequest{
			Connection: b.Connection, Pairs: pairs, Replace: b.Replace, Suggested: b.Suggested, RequestedBy: p.Actor,
		}))
	})
	h.mappingChanges()
}

func (h *Handler) listMappings(ctx context.Context, p access.Principal, in *mappingFilter) (*listOf[view.Mapping], error) {
	after, err := afterID("mappings", in.After)
	if err != nil {
		return nil, err
	}
	f := repo.MappingFilter{Search: in.Search, State: in.State, Deleted: in.Deleted, After: after, Limit: in.Limit + 1}
	if f.ConnectionID, err = h.only(ctx, p, in.Connection); err != nil {
		return nil, err
	}
	rows, err := h.store.Mappings(ctx, p.Tenant, f)
	if err != nil {
		return nil, err
	}
	return &listOf[view.Mapping]{cut(rows, in.Limit, view.NewMapping, func(m repo.Mapping) string {
		return cursor("mappings", m.ID.String())
	})}, nil
}
