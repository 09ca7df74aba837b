package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

type companyFilter struct {
	Page
	Search     string `query:"search" maxLength:"200" doc:"Only names that contain this text, ignoring case."`
	Unmapped   bool   `query:"unmapped" doc:"Only companies without any mapping."`
	Connection string `query:"connection" maxLength:"200" doc:"Consider only the mappings of this connection (id or name)."`
}

type newCompany struct {
	Body struct {
		Name       string `json:"name" minLength:"1" maxLength:"1000" example:"Bakery Brown"`
		ExternalID string `json:"external_id,omitempty" maxLength:"200" doc:"The product's own key, unique in the tenant." example:"crm-4711"`
	}
}

type companyOut struct{ Body view.Company }

func (h *Handler) companies() {
	add(h, operation{
		id: "list-companies", method: http.MethodGet, path: "/companies", tag: "Companies", scope: access.Read,
		summary: "List the companies of the product, oldest first", errors: []int{http.StatusNotFound},
	}, h.listCompanies)
	add(h, operation{
		id: "add-company", method: http.MethodPost, path: "/companies", tag: "Companies", scope: access.Write,
		status: http.StatusCreated, summary: "Create a company",
	}, func(ctx context.Context, p access.Principal, in *newCompany) (*companyOut, error) {
		added, err := h.engine.AddCompanies(ctx, p.Tenant, p.Actor, []string{in.Body.Name}, in.Body.ExternalID)
		if err != nil {
			return nil, err
		}
		return &companyOut{view.NewCompany(added[0])}, nil
	})
}

func (h *Handler) listCompanies(ctx context.Context, p access.Principal, in *companyFilter) (*listOf[view.Company], error) {
	after, err := afterID("companies", in.After)
	if err != nil {
		return nil, err
	}
	f := repo.CompanyFilter{Unmapped: in.Unmapped, Search: in.Search, After: after, Limit: in.Limit + 1}
	if f.ConnectionID, err = h.only(ctx, p, in.Connection); err != nil {
		return nil, err
	}
	rows, err := h.store.Companies(ctx, p.Tenant, f)
	return page(rows, err, in.Limit, view.NewCompany, func(c repo.Company) string {
		return cursor("companies", c.ID.String())
	})
}
