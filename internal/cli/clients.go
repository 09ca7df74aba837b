package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
)

var clientColumns = []column[view.Client]{
	{title: "id", value: func(c view.Client) string { return fmt.Sprint(c.ID) }},
	{title: "name", wide: true, value: func(c view.Client) string { return c.Name }},
	{title: "inactive", value: func(c view.Client) string { return yes(c.Inactive) }},
	{title: "toplevel_name", wide: true, extra: true, value: func(c view.Client) string { return c.TopLevelName }},
	{title: "company_id", extra: true, value: func(c view.Client) string { return orEmpty(c.CompanyID) }},
	{title: "company_name", wide: true, value: func(c view.Client) string { return orEmpty(c.CompanyName) }},
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
				return usagef("--page starts at 1; --page-size is 1 to 100, which is Halo's limit")
			}
			return a.with(ctx, needHalo, func(ctx context.Context, p parts) error {
				if all {
					return a.allClients(ctx, p, connection, q)
				}
				page, err := p.engine.Browse(ctx, p.tenant, connection, q)
				if err != nil {
					return err
				}
				return a.printClients(view.Clients{
					RecordCount: page.RecordCount, Page: page.Page, PageSize: page.PageSize, Clients: view.Each(page.Clients, view.NewClient),
				})
			})
		}),
	}
	connectionFlag(cmd, &connection)
	cmd.Flags().StringVar(&q.Search, "search", "", "only clients that Halo's search returns for this text")
	cmd.Flags().IntVar(&q.Page, "page", 1, "page, from 1")
	cmd.Flags().IntVar(&q.PageSize, "page-size", 50, "clients per page, 1 to 100")
	cmd.Flags().BoolVar(&all, "all", false, "read all pages")
	cmd.Flags().BoolVar(&q.IncludeInactive, "inactive", false, "include inactive clients")
	cmd.MarkFlagsMutuallyExclusive("all", "page")
	cmd.MarkFlagsMutuallyExclusive("all", "page-size")
	return cmd
}

func connectionFlag(cmd *cobra.Command, target *string) {
	cmd.Flags().StringVar(target, "connection", "", "name or id of the connection")
	required(cmd, "connection")
}

// allClients reads all pages before it prints anything, so that a failure never looks like
// a short list.
func (a *app) allClients(ctx context.Context, p parts, connection string, q engine.BrowseQuery) error {
	v := view.Clients{Page: 1, Clients: []view.Client{}}
	for page, err := range p.engine.BrowseAll(ctx, p.tenant, connection, q) {
		if err != nil {
			return err
		}
		v.RecordCount = page.RecordCount
		v.Clients = append(v.Clients, view.Each(page.Clients, view.NewClient)...)
	}
	v.PageSize = len(v.Clients)
	return a.printClients(v)
}

func (a *app) printClients(v view.Clients) error {
	if a.format == "json" {
		return printJSON(a.Out, v)
	}
	if err := list(a, v.Clients, clientColumns); err != nil {
		return err
	}
	if a.format == "table" {
		fmt.Fprintf(a.Err, "page %d: %s of %s\n", v.Page, plaintext.Count(len(v.Clients)), plaintext.Plural(v.RecordCount, "client", "clients"))
	}
	return nil
}
