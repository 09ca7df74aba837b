package api

import (
	"context"
	"net/http"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
)

type browse struct {
	OneConnection
	Search   string `query:"search" maxLength:"200" doc:"Only clients that Halo's search returns for this text."`
	Page     int    `query:"page" minimum:"1" maximum:"100000" default:"1" doc:"Page number, from 1."`
	PageSize int    `query:"page_size" minimum:"1" maximum:"100" default:"50" doc:"Halo's own limit is 100."`
	Inactive bool   `query:"inactive" doc:"Include inactive clients."`
}

func (h *Handler) clients() {
	type out struct{ Body view.Clients }
	add(h, operation{
		id: "list-clients", method: http.MethodGet, path: "/connections/{connection}/clients", tag: "Clients", scope: access.Read,
		halo: true, summary: "List one page of Halo's clients, read from Halo at the time of the request",
		about: "If Halo cannot be read, the answer is an error, never an empty list. The pages are Halo's, so this list has no cursor.",
	}, func(ctx context.Context, p access.Principal, in *browse) (*out, error) {
		got, err := h.engine.Browse(ctx, p.Tenant, in.Connection, engine.BrowseQuery{
			Search: in.Search, IncludeInactive: in.Inactive, Page: in.Page, PageSize: in.PageSize,
		})
		if err != nil {
			return nil, err
		}
		return &out{view.Clients{
			RecordCount: got.RecordCount, Page: got.Page, PageSize: got.PageSize, Clients: view.Each(got.Clients, view.NewClient),
		}}, nil
	})
}
