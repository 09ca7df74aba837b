package view

import (
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// Client is one of Halo's clients, and what it is mapped to.
type Client struct {
	ID           int64   `json:"id"`
	Name         string  `json:"name"`
	Inactive     bool    `json:"inactive"`
	TopLevelID   int64   `json:"toplevel_id"`
	TopLevelName string  `json:"toplevel_name"`
	CompanyID    *string `json:"company_id" format:"uuid" doc:"The company that it is mapped to on this connection; null: none."`
	CompanyName  *string `json:"company_name"`
}

// Clients is a page of them.
type Clients struct {
	RecordCount int      `json:"record_count" doc:"Over all pages, by Halo's count."`
	Page        int      `json:"page"`
	PageSize    int      `json:"page_size"`
	Clients     []Client `json:"clients" nullable:"false"`
}

// NewClient returns the view of a client.
func NewClient(c engine.BrowsedClient) Client {
	v := Client{ID: c.ID, Name: c.Name, Inactive: c.Inactive, TopLevelID: c.TopLevelID, TopLevelName: c.TopLevelName}
	if c.Company != nil {
		id := c.Company.ID.String()
		v.CompanyID, v.CompanyName = &id, &c.Company.Name
	}
	return v
}

// Company is a company of the product's.
type Company struct {
	ID         string    `json:"id" format:"uuid"`
	Tenant     string    `json:"tenant"`
	Name       string    `json:"name" example:"Bakery Brown"`
	ExternalID string    `json:"external_id" doc:"The product's own key, unique in the tenant; may be empty."`
	CreatedAt  time.Time `json:"created_at"`
	ClientID   *int64    `json:"client_id" doc:"Halo's client of its first mapping; null: not mapped."`
	ClientName *string   `json:"client_name"`
}

// NewCompany returns the view of a company.
func NewCompany(c repo.Company) Company {
	return Company{
		ID: c.ID.String(), Tenant: c.Tenant, Name: c.Name, ExternalID: c.ExternalID,
		CreatedAt: c.CreatedAt.UTC(), ClientID: c.ClientID, ClientName: c.ClientName,
	}
}
