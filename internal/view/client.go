package view

import (
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// Client is a client in Halo, with the company that it is mapped to.
type Client struct {
	ID           int64   `json:"id"`
	Name         string  `json:"name"`
	Inactive     bool    `json:"inactive"`
	TopLevelID   int64   `json:"toplevel_id"`
	TopLevelName string  `json:"toplevel_name"`
	CompanyID    *string `json:"company_id" format:"uuid" doc:"The company that the client is mapped to on this connection; null if unmapped."`
	CompanyName  *string `json:"company_name"`
}

// Clients is a page of clients.
type Clients struct {
	RecordCount int      `json:"record_count" doc:"Number of clients on all pages, according to Halo."`
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

// Company is a company in the product.
type Company struct {
	ID         string    `json:"id" format:"uuid"`
	Tenant     string    `json:"tenant"`
	Name       string    `json:"name" example:"Bakery Brown"`
	ExternalID string    `json:"external_id" doc:"The product's own key, unique in the tenant; may be empty."`
	CreatedAt  time.Time `json:"created_at"`
	ClientID   *int64    `json:"client_id" doc:"The client of its first mapping; null if unmapped."`
	ClientName *string   `json:"client_name"`
}

// NewCompany returns the view of a company.
func NewCompany(c repo.Company) Company {
	return Company{
		ID: c.ID.String(), Tenant: c.Tenant, Name: c.Name, ExternalID: c.ExternalID,
		CreatedAt: c.CreatedAt.UTC(), ClientID: c.ClientID, ClientName: c.ClientName,
	}
}
