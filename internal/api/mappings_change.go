package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// outcomeView is what became of one mapping of a request.
type outcomeView struct {
	ID          string  `json:"id" format:"uuid"`
	CompanyID   *string `json:"company_id" format:"uuid"`
	CompanyName *string `json:"company_name"`
	ClientID    *int64  `json:"client_id"`
	ClientName  *string `json:"client_name"`
	State       string  `json:"state,omitempty"`
	Outcome     string  `json:"outcome" enum:"unmapped,already unmapped,restored,in force already,refused,does not exist"`
	Reason      string  `json:"reason"`
}

func viewOutcome(o repo.MappingOutcome) outcomeView {
	v := outcomeView{ID: o.ID.String(), Outcome: o.Outcome, Reason: o.Reason}
	if m := o.Mapping; m != nil {
		v.CompanyID, v.ClientID = itemIDs(repo.RunItem{CompanyID: m.CompanyID, ClientID: m.ClientID})
		v.CompanyName, v.ClientName, v.State = &m.CompanyName, &m.ClientName, m.State
	}
	if o.Outcome == repo.DoesNotExist {
		v.Reason = "" // the word is for the command line
	}
	return v
}

// itemIDs are an item's company and client, nil for none.
func itemIDs(item repo.RunItem) (company *string, client *int64) {
	if item.CompanyID != uuid.Nil {
		company = idText(&item.CompanyID)
	}
	if item.ClientID != 0 {
		client = &item.ClientID
	}
	return company, client
}

func idText(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	text := id.String()
	return &text
}

type someMappings struct {
	Body struct {
		IDs []string `json:"ids" format:"uuid" minItems:"1" maxItems:"5000" nullable:"false" doc:"Ids of mappings."`
	}
}

// outcomesView has one item for each mapping of the request, in its order.
type outcomesView struct {
	Items []outcomeView `json:"items" nullable:"false"`
}

type outcomes struct{ Body outcomesView }

func outcomesOf(list []repo.MappingOutcome, err error) (*outcomes, error) {
	if err != nil {
		return nil, err
	}
	return &outcomes{outcomesView{each(list, viewOutcome)}}, nil
}

func (h *Handler) mappingChanges() {
	type oneMapping struct {
		Mapping string `path:"mapping" format:"uuid" doc:"Id of the mapping."`
	}
	type outcome struct{ Body outcomeView }
	add(h, operation{
		id: "delete-mapping", method: http.MethodDelete, path: "/mappings/{mapping}", tag: "Mappings", scope: access.Write,
		summary: "Delete a mapping; company and client stay", errors: []int{http.StatusNotFound},
		about: "It can be restored. No import that was requested before brings it back.",
	}, func(ctx context.Context, p access.Principal, in *oneMapping) (*outcome, error) {
		done, err := h.engine.UnmapNow(ctx, p.Tenant, p.Actor, []string{in.Mapping})
		if err != nil {
			return nil, err
		}
		if done[0].Outcome == repo.DoesNotExist {
			return nil, &engine.NotFoundError{What: "mapping", Name: in.Mapping}
		}
		return &outcome{viewOutcome(done[0])}, nil
	})
	add(h, operation{
		id: "delete-mappings", method: http.MethodPost, path: "/mappings/delete", tag: "Mappings", scope: access.Write,
		summary: "Delete several mappings", about: "Each item says what became of it.",
	}, func(ctx context.Context, p access.Principal, in *someMappings) (*outcomes, error) {
		return outcomesOf(h.engine.UnmapNow(ctx, p.Tenant, p.Actor, in.Body.IDs))
	})
	add(h, operation{
		id: "restore-mappings", method: http.MethodPost, path: "/mappings/restore", tag: "Mappings", scope: access.Write,
		summary: "Bring deleted mappings back",
		about:   "Each client is read from Halo; one that cannot be read makes its mapping unverified until the next resync. A mapping is refused if its company is gone, or its company or client is mapped otherwise by now.",
	}, func(ctx context.Context, p access.Principal, in *someMappings) (*outcomes, error) {
		return outcomesOf(h.engine.Restore(ctx, p.Tenant, p.Actor, in.Body.IDs))
	})
}
