package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

type someMappings struct {
	Body struct {
		IDs []string `json:"ids" format:"uuid" minItems:"1" maxItems:"5000" nullable:"false" doc:"Ids of mappings."`
	}
}

// outcomeOf returns the view of an outcome without advice for the command line.
func outcomeOf(o repo.MappingOutcome) view.Outcome {
	v := view.NewOutcome(o)
	if o.Outcome == repo.DoesNotExist {
		v.Reason = ""
	}
	return v
}

// outcomesView has one item per mapping in the request, in the same order.
type outcomesView struct {
	Items []view.Outcome `json:"items" nullable:"false"`
}

type outcomes struct{ Body outcomesView }

func outcomesOf(list []repo.MappingOutcome, err error) (*outcomes, error) {
	if err != nil {
		return nil, err
	}
	return &outcomes{outcomesView{view.Each(list, outcomeOf)}}, nil
}

func (h *Handler) mappingChanges() {
	type oneMapping struct {
		Mapping string `path:"mapping" format:"uuid" doc:"Id of the mapping."`
	}
	type outcome struct{ Body view.Outcome }
	add(h, operation{
		id: "delete-mapping", method: http.MethodDelete, path: "/mappings/{mapping}", tag: "Mappings", scope: access.Write,
		summary: "Unmap a company from its client; neither is deleted", errors: []int{http.StatusNotFound},
		about: "The mapping can be restored. An import that was requested earlier does not map the pair again.",
	}, func(ctx context.Context, p access.Principal, in *oneMapping) (*outcome, error) {
		done, err := h.engine.UnmapNow(ctx, p.Tenant, p.Actor, []string{in.Mapping})
		if err != nil {
			return nil, err
		}
		if done[0].Outcome == repo.DoesNotExist {
			return nil, &engine.NotFoundError{What: "mapping", Name: in.Mapping}
		}
		return &outcome{view.NewOutcome(done[0])}, nil
	})
	add(h, operation{
		id: "delete-mappings", method: http.MethodPost, path: "/mappings/delete", tag: "Mappings", scope: access.Write,
		summary: "Unmap several companies", about: "Each item has the outcome of one mapping.",
	}, func(ctx context.Context, p access.Principal, in *someMappings) (*outcomes, error) {
		return outcomesOf(h.engine.UnmapNow(ctx, p.Tenant, p.Actor, in.Body.IDs))
	})
	add(h, operation{
		id: "restore-mappings", method: http.MethodPost, path: "/mappings/restore", tag: "Mappings", scope: access.Write,
		summary: "Restore former mappings",
		about:   "Each client is read from Halo. If that fails, its mapping is unverified until the next resync. A mapping is refused if its company was deleted, or if its company or client is mapped elsewhere.",
	}, func(ctx context.Context, p access.Principal, in *someMappings) (*outcomes, error) {
		return outcomesOf(h.engine.Restore(ctx, p.Tenant, p.Actor, in.Body.IDs))
	})
}
