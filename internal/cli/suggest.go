package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/tasks"
)

var suggestionColumns = []column[view.Suggestion]{
	{title: "score", value: func(s view.Suggestion) string { return fmt.Sprintf("%.2f", s.Score) }},
	{title: "company_name", wide: true, value: func(s view.Suggestion) string { return s.CompanyName }},
	{title: "client_name", wide: true, value: func(s view.Suggestion) string { return s.ClientName }},
	{title: "client_id", value: func(s view.Suggestion) string { return fmt.Sprint(s.ClientID) }},
	{title: "reason", wide: true, value: func(s view.Suggestion) string { return s.Reason }},
	{title: "ambiguous", value: func(s view.Suggestion) string { return yes(s.Ambiguous) }},
	{title: "company_id", extra: true, value: func(s view.Suggestion) string { return s.CompanyID }},
}

func (a *app) suggestCommand() *cobra.Command {
	var connection string
	var least float64
	var limit int
	var dismiss []string
	cmd := &cobra.Command{
		Use:   "suggest --connection C",
		Short: "Pairs of unmapped companies and clients that may be the same",
		Long: `suggest reads Halo's active clients and compares them with the companies that are
not mapped on the connection: by key (the external id against Halo's reference,
accounts id or number), by name, by name without its legal form, by likeness.
Where several fit nearly as well they are all shown, as ambiguous. Pairs that
were dismissed or unmapped are not suggested again.`,
		Example: `  enqueue suggest --connection "Acme Halo" --min 0.8
  enqueue suggest --connection "Acme Halo" --dismiss crm-4711=12
  enqueue map --connection "Acme Halo" --from-suggest 0.9 --wait`,
		Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if least < 0 || least > 1 {
				return usagef("--min %v: want a score of 0 to 1", least)
			}
			pairs := make([]tasks.Pair, len(dismiss))
			for i, text := range dismiss {
				var err error
				if pairs[i], err = parsePair(text); err != nil {
					return usagef("--dismiss: %v", err)
				}
			}
			return a.with(ctx, needHalo, func(ctx context.Context, p parts) error {
				if len(pairs) > 0 {
					n, err := p.engine.Dismiss(ctx, p.tenant, a.actor(), connection, pairs)
					if err == nil {
						fmt.Fprintf(a.Err, "%d of %d pairs newly dismissed\n", n, len(pairs))
					}
					return err
				}
				return a.suggest(ctx, p, connection, least, limit)
			})
		}),
	}
	connectionFlag(cmd, &connection)
	cmd.Flags().Float64Var(&least, "min", 0.5, "only pairs with this score or more, 0 to 1")
	cmd.Flags().StringArrayVar(&dismiss, "dismiss", nil, "never suggest the pair COMPANY=CLIENT again; may be repeated")
	limitFlag(cmd, &limit)
	return cmd
}

func (a *app) suggest(ctx context.Context, p parts, connection string, least float64, limit int) error {
	found, err := p.engine.Suggest(ctx, p.tenant, connection, least)
	if err != nil {
		return err
	}
	for _, notice := range found.Notices {
		fmt.Fprintln(a.Err, plaintext.Printable(notice))
	}
	pairs := found.Pairs
	if limit > 0 {
		pairs = pairs[:min(limit, len(pairs))]
	}
	if err := list(a, view.Each(pairs, view.NewSuggestion), suggestionColumns); err != nil {
		return err
	}
	if n := len(found.Certain(0.9)); n > 0 {
		fmt.Fprintf(a.Err, "sure pairs with 0.9 or more: %d; to map them: enqueue map --connection %q --from-suggest 0.9\n", n, connection)
	}
	return nil
}

// takeSuggestions fills a request with what is sure. It says none if there is
// nothing, which is no fault.
func (a *app) takeSuggestions(ctx context.Context, p parts, req *engine.MapRequest, least float64) (none bool, err error) {
	found, err := p.engine.Suggest(ctx, p.tenant, req.Connection, least)
	if err != nil {
		return false, err
	}
	for _, notice := range found.Notices {
		fmt.Fprintln(a.Err, plaintext.Printable(notice))
	}
	req.Suggested, req.Pairs = true, found.Certain(least)
	if len(req.Pairs) > tasks.MaxPairs {
		fmt.Fprintf(a.Err, "the best %d of %d pairs; ask again for the rest\n", tasks.MaxPairs, len(req.Pairs))
		req.Pairs = req.Pairs[:tasks.MaxPairs]
	}
	if len(req.Pairs) == 0 {
		fmt.Fprintf(a.Err, "nothing is suggested with a score of %v or more that is not ambiguous\n", least)
	}
	return len(req.Pairs) == 0, nil
}
