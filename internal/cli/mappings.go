package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

var mappingColumns = []column[view.Mapping]{
	{title: "company_name", wide: true, value: func(m view.Mapping) string { return m.CompanyName }},
	{title: "client_name", wide: true, value: func(m view.Mapping) string { return m.ClientName }},
	{title: "client_id", value: func(m view.Mapping) string { return fmt.Sprint(m.ClientID) }},
	{title: "mapped_at", value: func(m view.Mapping) string { return stamp(&m.MappedAt) }},
	{title: "mapped_by", extra: true, value: func(m view.Mapping) string { return m.MappedBy }},
	{title: "state", value: func(m view.Mapping) string { return string(m.State) }},
	{title: "state_reason", wide: true, extra: true, value: func(m view.Mapping) string { return m.StateReason }},
	{title: "last_verified_at", extra: true, value: func(m view.Mapping) string { return stamp(m.LastVerifiedAt) }},
	{title: "connection", wide: true, extra: true, value: func(m view.Mapping) string { return m.Connection }},
	{title: "company_id", extra: true, value: func(m view.Mapping) string { return m.CompanyID }},
	{title: "id", value: func(m view.Mapping) string { return m.ID }},
}

var deletedColumns = append(slices.Clone(mappingColumns),
	column[view.Mapping]{title: "deleted_at", value: func(m view.Mapping) string { return stamp(m.DeletedAt) }},
	column[view.Mapping]{title: "deleted_by", value: func(m view.Mapping) string { return orEmpty(m.DeletedBy) }},
)

func (a *app) mappingsCommand() *cobra.Command {
	var connection, order string
	var filter repo.MappingFilter
	cmd := &cobra.Command{
		Use:   "mappings",
		Short: "List mappings: company, Halo client, mapped date, state, last verified",
		Example: `  enqueue mappings --connection "Acme Halo" --search bakery
  enqueue mappings --state inactive -o csv > mappings.csv
  enqueue mappings --unmapped --sort mapped`,
		Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := errors.Join(checkMappingState(filter.State), checkSort(order)); err != nil {
				return err
			}
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				var err error
				if filter.ConnectionID, err = p.onlyOf(ctx, connection); err != nil {
					return err
				}
				mappings, err := collect(p.store.AllMappings(ctx, p.tenant, filter), 0, view.NewMapping)
				if err != nil {
					return err
				}
				columns := mappingColumns
				if filter.Deleted {
					columns = deletedColumns
				}
				return list(a, sortMappings(mappings, order, filter.Limit), columns)
			})
		}),
	}
	cmd.Flags().StringVar(&connection, "connection", "", "only mappings of this connection (name or id)")
	cmd.Flags().StringVar(&filter.Search, "search", "", "only mappings whose company or client name contains this text")
	cmd.Flags().StringVar((*string)(&filter.State), "state", "", "only mappings in this state: ok, inactive, missing or unverified")
	cmd.Flags().BoolVar(&filter.Deleted, "unmapped", false, "former mappings instead of active ones")
	cmd.Flags().StringVar(&order, "sort", "worst", "worst (state), company, client, mapped (newest first) or verified (oldest first)")
	limitFlag(cmd, &filter.Limit)
	return cmd
}

func checkMappingState(state repo.MappingState) error {
	switch state {
	case "", repo.MappingOK, repo.MappingInactive, repo.MappingMissing, repo.MappingUnverified:
		return nil
	}
	return usagef("--state %q: want ok, inactive, missing or unverified", state)
}

// worstFirst orders states by urgency.
var worstFirst = []repo.MappingState{repo.MappingMissing, repo.MappingUnverified, repo.MappingInactive, repo.MappingOK}

// mappingOrders maps the values of --sort to comparisons. Mappings that compare as equal
// stay sorted by age.
var mappingOrders = map[string]func(a, b view.Mapping) int{
	"worst": func(a, b view.Mapping) int {
		return cmp.Or(slices.Index(worstFirst, a.State)-slices.Index(worstFirst, b.State), byName(a.CompanyName, b.CompanyName))
	},
	"company":  func(a, b view.Mapping) int { return byName(a.CompanyName, b.CompanyName) },
	"client":   func(a, b view.Mapping) int { return byName(a.ClientName, b.ClientName) },
	"mapped":   func(a, b view.Mapping) int { return b.MappedAt.Compare(a.MappedAt) },
	"verified": func(a, b view.Mapping) int { return orZero(a.LastVerifiedAt).Compare(orZero(b.LastVerifiedAt)) },
}

// sortMappings sorts by one of mappingOrders. It returns the first limit mappings, or all
// of them if limit is 0.
func sortMappings(mappings []view.Mapping, order string, limit int) []view.Mapping {
	slices.SortStableFunc(mappings, mappingOrders[order])
	if limit > 0 && len(mappings) > limit {
		return mappings[:limit]
	}
	return mappings
}

func checkSort(order string) error {
	if _, ok := mappingOrders[order]; !ok {
		return usagef("--sort %q: want worst, company, client, mapped or verified", order)
	}
	return nil
}

func byName(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
