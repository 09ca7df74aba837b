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
	Connection string            `query:"connection" maxLength:"200" doc:"Only mappings of this connection (id or name)."`
	Search     string            `query:"search" maxLength:"200" doc:"Only mappings whose company name or client name contains this text, ignoring case."`
	State      repo.MappingState `query:"state" enum:"ok,inactive,missing,unverified" doc:"Only mappings in this state."`
	Deleted    bool              `query:"deleted" doc:"Former mappings instead of active ones."`
}

type newPair struct {
	Company    string `json:"company" minLength:"1" maxLength:"1000" doc:"Id, external id or exact name."`
	ClientID   int64  `json:"client_id,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Either client_id or client_name is required."`
	ClientName string `json:"client_name,omitempty" maxLength:"1000" doc:"The exact name in Halo."`
}

type newPairs struct {
	Body struct {
		Connection string    `json:"connection" minLength:"1" maxLength:"200" doc:"Id or name."`
		Pairs      []newPair `json:"pairs" minItems:"1" maxItems:"5000" nullable:"false"`
		Replace    bool      `json:"replace,omitempty" doc:"Replace mappings of the same company or client instead of refusing the pair."`
		Suggested  bool      `json:"suggested,omitempty" doc:"The pairs are accepted suggestions."`
	}
}

func (h *Handler) mappings() {
	add(h, operation{
		id: "list-mappings", method: http.MethodGet, path: "/mappings", tag: "Mappings", scope: access.Read,
		summary: "List the mappings, oldest first", errors: []int{http.StatusNotFound},
	}, h.listMappings)
	add(h, operation{
		id: "map", method: http.MethodPost, path: "/mappings", tag: "Mappings", scope: access.Write, status: http.StatusAccepted,
		summary: "Map existing companies to clients, as a run", errors: []int{http.StatusNotFound},
		about: "The outcome of each pair is in the field pairs of the run.",
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
	return page(rows, err, in.Limit, view.NewMapping, func(m repo.Mapping) string {
		return cursor("mappings", m.ID.String())
	})
}
