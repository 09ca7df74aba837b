package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
)

// clientView is one of Halo's clients, and what it is mapped to.
type clientView struct {
	ID           int64   `json:"id"`
	Name         string  `json:"name"`
	Inactive     bool    `json:"inactive"`
	TopLevelID   int64   `json:"toplevel_id"`
	TopLevelName string  `json:"toplevel_name"`
	CompanyID    *string `json:"company_id" format:"uuid" doc:"The company that it is mapped to on this connection; null: none."`
	CompanyName  *string `json:"company_name"`
}

// clientsView is a page of them.
type clientsView struct {
	RecordCount int          `json:"record_count" doc:"Over all pages, by Halo's count."`
	Page        int          `json:"page"`
	PageSize    int          `json:"page_size"`
	Clients     []clientView `json:"clients" nullable:"false"`
}

func viewClient(c engine.BrowsedClient) clientView {
	v := clientView{ID: c.ID, Name: c.Name, Inactive: c.Inactive, TopLevelID: c.TopLevelID, TopLevelName: c.TopLevelName}
	if c.Company != nil {
		id := c.Company.ID.String()
		v.CompanyID, v.CompanyName = &id, &c.Company.Name
	}
	return v
}

type browse struct {
	OneConnection
	Search   string `query:"search" maxLength:"200" doc:"Only clients that Halo finds for this text."`
	Page     int    `query:"page" minimum:"1" maximum:"100000" default:"1" doc:"From 1."`
	PageSize int    `query:"page_size" minimum:"1" maximum:"100" default:"50" doc:"Halo's own limit is 100."`
	Inactive bool   `query:"inactive" doc:"Inactive clients, too."`
}

func (h *Handler) clients() {
	type out struct{ Body clientsView }
	add(h, operation{
		id: "list-clients", method: http.MethodGet, path: "/connections/{connection}/clients", tag: "Clients", scope: access.Read,
		halo: true, summary: "One page of Halo's clients, read from Halo now",
		about: "A Halo that cannot be read is an error, never an empty list. Pages are Halo's own, so this list has no cursor.",
	}, func(ctx context.Context, p access.Principal, in *browse) (*out, error) {
		got, err := h.engine.Browse(ctx, p.Tenant, in.Connection, engine.BrowseQuery{
			Search: in.Search, IncludeInactive: in.Inactive, Page: in.Page, PageSize: in.PageSize,
		})
		if err != nil {
			return nil, err
		}
		return &out{clientsView{
			RecordCount: got.RecordCount, Page: got.Page, PageSize: got.PageSize, Clients: each(got.Clients, viewClient),
		}}, nil
	})
}

// each views all of a list; none is an empty list.
func each[T, V any](items []T, view func(T) V) []V {
	views := make([]V, len(items))
	for i, item := range items {
		views[i] = view(item)
	}
	return views
}
