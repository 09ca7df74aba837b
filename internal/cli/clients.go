package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
)

// clientView is one of Halo's clients as the CLI prints it.
type clientView struct {
	ID           int64   `json:"id"`
	Name         string  `json:"name"`
	Inactive     bool    `json:"inactive"`
	TopLevelID   int64   `json:"toplevel_id"`
	TopLevelName string  `json:"toplevel_name"`
	CompanyID    *string `json:"company_id"`
	CompanyName  *string `json:"company_name"`
}

// clientsView is a page of them, or all.
type clientsView struct {
	RecordCount int          `json:"record_count"`
	Page        int          `json:"page"`
	PageSize    int          `json:"page_size"`
	Clients     []clientView `json:"clients"`
}

var clientColumns = []column[clientView]{
	{title: "id", value: func(c clientView) string { return fmt.Sprint(c.ID) }},
	{title: "name", wide: true, value: func(c clientView) string { return c.Name }},
	{title: "inactive", value: func(c clientView) string { return yes(c.Inactive) }},
	{title: "toplevel_name", wide: true, extra: true, value: func(c clientView) string { return c.TopLevelName }},
	{title: "company_id", extra: true, value: func(c clientView) string { return orEmpty(c.CompanyID) }},
	{title: "company_name", wide: true, value: func(c clientView) string { return orEmpty(c.CompanyName) }},
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func viewClients(clients []engine.BrowsedClient) []clientView {
	views := make([]clientView, len(clients))
	for i, c := range clients {
		views[i] = clientView{ID: c.ID, Name: c.Name, Inactive: c.Inactive, TopLevelID: c.TopLevelID, TopLevelName: c.TopLevelName}
		if c.Company != nil {
			id := c.Company.ID.String()
			views[i].CompanyID, views[i].CompanyName = &id, &c.Company.Name
		}
	}
	return views
}

func (a *app) clientsCommand() *cobra.Command {
	var connection string
	var all bool
	var q engine.BrowseQuery
	cmd := &cobra.Command{
		Use:   "clients --connection C",
		Short: "Browse Halo's clients and see what they are mapped to",
		Example: `  enqueue clients --connection "Acme Halo" --search bakery --page 2 --page-size 25
  enqueue clients --connection "Acme Halo" --all -o csv > clients.csv`,
		Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if q.Page < 1 || q.PageSize < 1 || q.PageSize > 100 {
				return usagef("--page counts from 1 and --page-size is 1 to 100, Halo's own limit")
			}
			return a.with(ctx, needHalo, func(ctx context.Context, p parts) error {
				if all {
					return a.allClients(ctx, p, connection, q)
				}
				page, err := p.engine.Browse(ctx, p.tenant, connection, q)
				if err != nil {
					return err
				}
				return a.printClients(clientsView{
					RecordCount: page.RecordCount, Page: page.Page, PageSize: page.PageSize, Clients: viewClients(page.Clients),
				})
			})
		}),
	}
	connectionFlag(cmd, &connection)
	cmd.Flags().StringVar(&q.Search, "search", "", "only clients that Halo finds for this text")
	cmd.Flags().IntVar(&q.Page, "page", 1, "page, from 1")
	cmd.Flags().IntVar(&q.PageSize, "page-size", 50, "clients a page, 1 to 100")
	cmd.Flags().BoolVar(&all, "all", false, "all pages")
	cmd.Flags().BoolVar(&q.IncludeInactive, "inactive", false, "inactive clients, too")
	cmd.MarkFlagsMutuallyExclusive("all", "page")
	cmd.MarkFlagsMutuallyExclusive("all", "page-size")
	return cmd
}

func connectionFlag(cmd *cobra.Command, target *string) {
	cmd.Flags().StringVar(target, "connection", "", "name or id of the connection")
	required(cmd, "connection")
}

// allClients reads everything before it prints, so that a failure half way
// never looks like a short list.
func (a *app) allClients(ctx context.Context, p parts, connection string, q engine.BrowseQuery) error {
	view := clientsView{Page: 1, Clients: []clientView{}}
	for page, err := range p.engine.BrowseAll(ctx, p.tenant, connection, q) {
		if err != nil {
			return err
		}
		view.RecordCount = page.RecordCount
		view.Clients = append(view.Clients, viewClients(page.Clients)...)
	}
	view.PageSize = len(view.Clients)
	return a.printClients(view)
}

func (a *app) printClients(view clientsView) error {
	if a.format == "json" {
		return printJSON(a.Out, view)
	}
	if err := list(a, view.Clients, clientColumns); err != nil {
		return err
	}
	if a.format == "table" {
		fmt.Fprintf(a.Err, "page %d: %d of %d clients\n", view.Page, len(view.Clients), view.RecordCount)
	}
	return nil
}
