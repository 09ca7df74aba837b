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
	var minScore float64
	var limit int
	var dismiss []string
	cmd := &cobra.Command{
		Use:   "suggest --connection C",
		Short: "Suggest pairs of unmapped companies and clients",
		Long: `suggest reads the active clients of Halo and compares them with the companies that
are not mapped on the connection. It compares keys (the external id with Halo's reference,
accounts id or number), names, names without the legal form, and similar names. If
several pairs fit nearly equally well, all are shown as ambiguous. Pairs that were
dismissed or unmapped are not suggested again.`,
		Example: `  enqueue suggest --connection "Acme Halo" --min 0.8
  enqueue suggest --connection "Acme Halo" --dismiss crm-4711=12
  enqueue map --connection "Acme Halo" --from-suggest 0.9 --wait`,
		Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if minScore < 0 || minScore > 1 {
				return usagef("--min %v: want a score of 0 to 1", minScore)
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
						fmt.Fprintf(a.Err, "%s of %s newly dismissed\n", plaintext.Count(n), plaintext.Plural(len(pairs), "pair", "pairs"))
					}
					return err
				}
				return a.suggest(ctx, p, connection, minScore, limit)
			})
		}),
	}
	connectionFlag(cmd, &connection)
	cmd.Flags().Float64Var(&minScore, "min", 0.5, "only pairs with at least this score, 0 to 1")
	cmd.Flags().StringArrayVar(&dismiss, "dismiss", nil, "never suggest the pair COMPANY=CLIENT again; may be repeated")
	limitFlag(cmd, &limit)
	return cmd
}

func (a *app) suggest(ctx context.Context, p parts, connection string, minScore float64, limit int) error {
	found, err := p.engine.Suggest(ctx, p.tenant, connection, minScore)
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
		fmt.Fprintf(a.Err, "unambiguous pairs with a score of at least 0.9: %d; to map them: enqueue map --connection %q --from-suggest 0.9\n", n, connection)
	}
	return nil
}

// takeSuggestions adds to a request the unambiguous suggestions with a score of at least
// minScore. It returns true if there are none.
func (a *app) takeSuggestions(ctx context.Context, p parts, req *engine.MapRequest, minScore float64) (none bool, err error) {
	found, err := p.engine.Suggest(ctx, p.tenant, req.Connection, minScore)
	if err != nil {
		return false, err
	}
	for _, notice := range found.Notices {
		fmt.Fprintln(a.Err, plaintext.Printable(notice))
	}
	req.Suggested, req.Pairs = true, found.Certain(minScore)
	if len(req.Pairs) > tasks.MaxPairs {
		fmt.Fprintf(a.Err, "mapping the best %s of %s; repeat the command for the rest\n", plaintext.Count(tasks.MaxPairs), plaintext.Plural(len(req.Pairs), "pair", "pairs"))
		req.Pairs = req.Pairs[:tasks.MaxPairs]
	}
	if len(req.Pairs) == 0 {
		fmt.Fprintf(a.Err, "no unambiguous suggestion with a score of at least %v\n", minScore)
	}
	return len(req.Pairs) == 0, nil
}
