package engine

import (
	"context"
	"iter"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo"
)

// BrowseQuery selects the Halo clients to show.
type BrowseQuery struct {
	Search          string
	IncludeInactive bool
	Page            int // from 1; 0 means 1
	PageSize        int // 1 to 100; 0 means 50
}

// BrowsedClient is a Halo client and the company that it is mapped to.
type BrowsedClient struct {
	halo.Client
	Company *repo.CompanyRef // nil if not mapped on this connection
}

// ClientPage is one page of Halo's clients.
type ClientPage struct {
	RecordCount    int // clients on all pages, as counted by Halo
	Page, PageSize int
	Clients        []BrowsedClient
}

// Browse reads one page of a connection's clients from Halo.
func (e *Engine) Browse(ctx context.Context, tenant, ref string, q BrowseQuery) (ClientPage, error) {
	conn, api, err := e.browsable(ctx, tenant, ref)
	if err != nil {
		return ClientPage{}, err
	}
	q.Page = max(1, q.Page)
	if q.PageSize == 0 {
		q.PageSize = 50
	}
	page, err := api.Page(ctx, q.halo(), q.Page)
	if err != nil {
		return ClientPage{}, err
	}
	clients, err := e.withCompanies(ctx, conn, page.Clients)
	return ClientPage{RecordCount: page.RecordCount, Page: q.Page, PageSize: q.PageSize, Clients: clients}, err
}

// BrowseAll reads all matching clients page by page. It ignores q.Page and q.PageSize.
// It stops after the first error, which it yields.
func (e *Engine) BrowseAll(ctx context.Context, tenant, ref string, q BrowseQuery) iter.Seq2[ClientPage, error] {
	return func(yield func(ClientPage, error) bool) {
		conn, api, err := e.browsable(ctx, tenant, ref)
		if err != nil {
			yield(ClientPage{}, err)
			return
		}
		q.PageSize = 100
		for page, err := range api.Pages(ctx, q.halo(), halo.Cursor{}) {
			if err != nil {
				yield(ClientPage{}, err)
				return
			}
			clients, err := e.withCompanies(ctx, conn, page.Clients)
			out := ClientPage{RecordCount: page.RecordCount, Page: page.Number, PageSize: q.PageSize, Clients: clients}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

func (q BrowseQuery) halo() halo.Query {
	return halo.Query{Search: q.Search, IncludeInactive: q.IncludeInactive, PageSize: q.PageSize}
}

func (e *Engine) browsable(ctx context.Context, tenant, ref string) (repo.Connection, *halo.API, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, nil, err
	}
	return e.dial.Open(ctx, tenant, conn.ID, ratelimit.Interactive)
}

// withCompanies adds to each client its mapped company.
func (e *Engine) withCompanies(ctx context.Context, conn repo.Connection, clients []halo.Client) ([]BrowsedClient, error) {
	ids := make([]int64, len(clients))
	for i, c := range clients {
		ids[i] = c.ID
	}
	mapped, err := e.store.ClientsMapped(ctx, conn.Tenant, conn.ID, ids)
	if err != nil {
		return nil, err
	}
	out := make([]BrowsedClient, len(clients))
	for i, c := range clients {
		out[i].Client = c
		if company, ok := mapped[c.ID]; ok {
			out[i].Company = &company
		}
	}
	return out, nil
}
