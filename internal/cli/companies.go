package cli

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

var companyColumns = []column[view.Company]{
	{title: "id", value: func(c view.Company) string { return c.ID }},
	{title: "name", wide: true, value: func(c view.Company) string { return c.Name }},
	{title: "external_id", value: func(c view.Company) string { return c.ExternalID }},
	{title: "created_at", extra: true, value: func(c view.Company) string { return stamp(&c.CreatedAt) }},
	{title: "client_id", value: func(c view.Company) string { return number(c.ClientID) }},
	{title: "client_name", wide: true, value: func(c view.Company) string { return orEmpty(c.ClientName) }},
}

func (a *app) companiesCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "companies", Aliases: []string{"company"},
		Short:   "List and create companies of the product",
		Example: "  enqueue companies list --unmapped",
	}
	group.AddCommand(a.companiesAdd(), a.companiesList())
	return group
}

func (a *app) companiesAdd() *cobra.Command {
	var externalID string
	cmd := &cobra.Command{
		Use: "add NAME...", Short: "Create companies",
		Example: "  enqueue companies add \"Bakery Brown\" --external-id crm-4711",
		Args:    cobra.MinimumNArgs(1),
		RunE: a.do(func(ctx context.Context, names []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				added, err := p.engine.AddCompanies(ctx, p.tenant, a.actor(), names, externalID)
				if err != nil {
					return err
				}
				return list(a, view.Each(added, view.NewCompany), companyColumns)
			})
		}),
	}
	cmd.Flags().StringVar(&externalID, "external-id", "", "key of the company in the product, unique in the tenant")
	return cmd
}

func (a *app) companiesList() *cobra.Command {
	var filter repo.CompanyFilter
	var connection string
	cmd := &cobra.Command{
		Use: "list", Short: "List companies and the clients that they are mapped to",
		Example: "  enqueue companies list --search bakery -o csv\n  enqueue companies list --unmapped --connection \"Acme Halo\"",
		Args:    cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				var err error
				if filter.ConnectionID, err = p.onlyOf(ctx, connection); err != nil {
					return err
				}
				companies, err := collect(p.store.AllCompanies(ctx, p.tenant, filter), filter.Limit, view.NewCompany)
				if err != nil {
					return err
				}
				return list(a, companies, companyColumns)
			})
		}),
	}
	cmd.Flags().BoolVar(&filter.Unmapped, "unmapped", false, "only companies without any mapping")
	cmd.Flags().StringVar(&connection, "connection", "", "consider only the mappings of this connection (name or id)")
	cmd.Flags().StringVar(&filter.Search, "search", "", "only names that contain this text")
	limitFlag(cmd, &filter.Limit)
	return cmd
}

// limitFlag adds the flag --limit to a command that lists items. A limit of 0 means all
// items.
func limitFlag(cmd *cobra.Command, limit *int) {
	cmd.Flags().IntVar(limit, "limit", 0, "maximum number of rows; 0 for all")
}

// collect returns the views of up to limit items, or of all items if limit is 0. If
// reading fails, it returns only the error, so that a failure never looks like a short
// list.
func collect[T, V any](items iter.Seq2[T, error], limit int, view func(T) V) ([]V, error) {
	var views []V
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		views = append(views, view(item))
		if len(views) == limit {
			break
		}
	}
	return views, nil
}
