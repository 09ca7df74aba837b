package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// mappingView is a company and a client that are the same customer.
type mappingView struct {
	ID             string     `json:"id" format:"uuid"`
	ConnectionID   string     `json:"connection_id" format:"uuid"`
	Connection     string     `json:"connection" doc:"Its name."`
	CompanyID      string     `json:"company_id" doc:"Empty: the mapping is deleted, and its company is gone."`
	CompanyName    string     `json:"company_name"`
	ClientID       int64      `json:"client_id"`
	ClientName     string     `json:"client_name" doc:"As Halo last told it."`
	ClientInactive bool       `json:"client_inactive"`
	MappedAt       time.Time  `json:"mapped_at"`
	MappedBy       string     `json:"mapped_by" enum:"import,map,suggest,restore"`
	State          string     `json:"state" enum:"ok,inactive,missing,unverified" doc:"What Halo says of the client."`
	StateReason    string     `json:"state_reason"`
	LastVerifiedAt *time.Time `json:"last_verified_at"`
	RunID          *string    `json:"run_id" doc:"The run that made it; null: a person did without one."`
	DeletedAt      *time.Time `json:"deleted_at" doc:"Null: in force."`
	DeletedBy      *string    `json:"deleted_by"`
}

func viewMapping(m repo.Mapping) mappingView {
	v := mappingView{
		ID: m.ID.String(), ConnectionID: m.ConnectionID.String(), Connection: m.Connection,
		CompanyID: m.CompanyID.String(), CompanyName: m.CompanyName,
		ClientID: m.ClientID, ClientName: m.ClientName, ClientInactive: m.ClientInactive,
		MappedAt: m.MappedAt.UTC(), MappedBy: m.MappedBy,
		State: m.State, StateReason: m.StateReason, LastVerifiedAt: utc(m.LastVerifiedAt),
		DeletedAt: utc(m.DeletedAt),
	}
	if m.CompanyID == uuid.Nil {
		v.CompanyID = ""
	}
	if m.RunID != nil {
		id := engine.RunID(*m.RunID)
		v.RunID = &id
	}
	if m.DeletedAt != nil {
		v.DeletedBy = &m.DeletedBy
	}
	return v
}

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

func (h *Handler) listMappings(ctx context.Context, p access.Principal, in *mappingFilter) (*listOf[mappingView], error) {
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
	return &listOf[mappingView]{cut(rows, in.Limit, viewMapping, func(m repo.Mapping) string {
		return cursor("mappings", m.ID.String())
	})}, nil
}
