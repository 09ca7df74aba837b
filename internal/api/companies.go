package api

import (
	"context"
	"net/http"
	"time"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo"
)

// companyView is a company of the product's.
type companyView struct {
	ID         string    `json:"id" format:"uuid"`
	Tenant     string    `json:"tenant"`
	Name       string    `json:"name" example:"Bakery Brown"`
	ExternalID string    `json:"external_id" doc:"The product's own key, unique in the tenant; may be empty."`
	CreatedAt  time.Time `json:"created_at"`
	ClientID   *int64    `json:"client_id" doc:"Halo's client of its first mapping; null: not mapped."`
	ClientName *string   `json:"client_name"`
}

func viewCompany(c repo.Company) companyView {
	return companyView{
		ID: c.ID.String(), Tenant: c.Tenant, Name: c.Name, ExternalID: c.ExternalID,
		CreatedAt: c.CreatedAt.UTC(), ClientID: c.ClientID, ClientName: c.ClientName,
	}
}

type companyFilter struct {
	Page
	Search     string `query:"search" maxLength:"200" doc:"Only names that contain this text, in any case."`
	Unmapped   bool   `query:"unmapped" doc:"Only companies without any mapping."`
	Connection string `query:"connection" maxLength:"200" doc:"Look at the mappings of this connection only (id or name)."`
}

type newCompany struct {
	Body struct {
		Name       string `json:"name" minLength:"1" maxLength:"1000" example:"Bakery Brown"`
		ExternalID string `json:"external_id,omitempty" maxLength:"200" doc:"The product's own key, unique in the tenant." example:"crm-4711"`
	}
}

type companyOut struct{ Body companyView }

func (h *Handler) companies() {
	add(h, operation{
		id: "list-companies", method: http.MethodGet, path: "/companies", tag: "Companies", scope: access.Read,
		summary: "The product's companies, oldest first", errors: []int{http.StatusNotFound},
	}, h.listCompanies)
	add(h, operation{
		id: "add-company", method: http.MethodPost, path: "/companies", tag: "Companies", scope: access.Write,
		status: http.StatusCreated, summary: "Create a company",
	}, func(ctx context.Context, p access.Principal, in *newCompany) (*companyOut, error) {
		added, err := h.engine.AddCompanies(ctx, p.Tenant, p.Actor, []string{in.Body.Name}, in.Body.ExternalID)
		if err != nil {
			return nil, err
		}
		return &companyOut{viewCompany(added[0])}, nil
	})
}

func (h *Handler) listCompanies(ctx context.Context, p access.Principal, in *companyFilter) (*listOf[companyView], error) {
	after, err := afterID("companies", in.After)
	if err != nil {
		return nil, err
	}
	f := repo.CompanyFilter{Unmapped: in.Unmapped, Search: in.Search, After: after, Limit: in.Limit + 1}
	if f.ConnectionID, err = h.only(ctx, p, in.Connection); err != nil {
		return nil, err
	}
	rows, err := h.store.Companies(ctx, p.Tenant, f)
	if err != nil {
		return nil, err
	}
	return &listOf[companyView]{cut(rows, in.Limit, viewCompany, func(c repo.Company) string {
		return cursor("companies", c.ID.String())
	})}, nil
}
