package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
)

func (a *app) mapCommand() *cobra.Command {
	var req engine.MapRequest
	var file string
	var minScore float64
	var wait bool
	cmd := &cobra.Command{
		Use:   "map --connection C [COMPANY=CLIENT...] [--file pairs.csv]",
		Short: "Map companies to clients of Halo",
		Long: `map requests a run that maps each pair. COMPANY is the id, the external id or
the exact name of a company. CLIENT is the id or the exact name of a client in
Halo; digits alone mean an id. A pair is split at its last "=".

The file is CSV with a heading that names the columns: company, company_id,
external_id or company_name; client, client_id or client_name. Cells are separated
by commas, semicolons or tabs. The output of "clients", "companies list", "suggest"
and "mappings" with -o csv, filled in, works as it is. Without a heading, each line
is a company and the id of a client. Lines without a company or a client and lines
that start with # and contain no pair are passed over and counted.

Each client is read from Halo first. Valid pairs are mapped even if others are
refused. A pair is refused if its company or client is unknown, inactive,
ambiguous or mapped elsewhere. With --replace, a pair replaces mappings to others.`,
		Example: `  enqueue map --connection "Acme Halo" "Bakery Brown=12" crm-4711="Bakery White" --wait
  enqueue map --connection "Acme Halo" --file pairs.csv --replace --wait
  enqueue map --connection "Acme Halo" --from-suggest 0.9 --wait`,
		RunE: a.do(func(ctx context.Context, args []string) (err error) {
			if req.Pairs, err = a.mapPairs(args, file); err != nil {
				return err
			}
			if minScore < 0 || minScore > 1 {
				return usagef("--from-suggest %v: want a score of 0 to 1", minScore)
			}
			if len(req.Pairs) == 0 && minScore == 0 {
				return usagef("nothing to map: give pairs COMPANY=CLIENT, a --file of them, or --from-suggest 0.9")
			}
			if len(req.Pairs) > 0 && minScore > 0 {
				return usagef("pairs and --from-suggest: want only one of them")
			}
			req.RequestedBy = a.actor()
			return a.with(ctx, needQueue, func(ctx context.Context, p parts) error {
				if minScore > 0 {
					if none, err := a.takeSuggestions(ctx, p, &req, minScore); none || err != nil {
						return err
					}
				}
				if err := a.checkFile(ctx, p, req.Connection); err != nil {
					return err
				}
				receipt, err := p.engine.RequestMap(ctx, p.tenant, req)
				if err != nil {
					return err
				}
				return a.requested(ctx, p, receipt, wait)
			})
		}),
	}
	connectionFlag(cmd, &req.Connection)
	cmd.Flags().StringVar(&file, "file", "", `file of pairs, "-" for standard input`)
	cmd.Flags().Float64Var(&minScore, "from-suggest", 0, "map unambiguous suggestions with at least this score, 0 to 1")
	cmd.Flags().BoolVar(&req.Replace, "replace", false, "replace mappings of the same company or client")
	waitFlag(cmd, &wait)
	return cmd
}

// pairColumnsOf returns the columns for pairs. It includes the column line if any pair has
// a line number.
func pairColumnsOf(pairs []view.Pair) []column[view.Pair] {
	columns := []column[view.Pair]{{title: "pair", value: func(v view.Pair) string { return fmt.Sprint(v.Pair) }}}
	for _, v := range pairs {
		if v.Line > 0 {
			columns = append(columns, column[view.Pair]{title: "line", value: func(v view.Pair) string { return fmt.Sprint(v.Line) }})
			break
		}
	}
	return append(columns,
		column[view.Pair]{title: "company", wide: true, value: func(v view.Pair) string { return v.Company }},
		column[view.Pair]{title: "client", wide: true, value: func(v view.Pair) string { return v.Client }},
		column[view.Pair]{title: "outcome", value: func(v view.Pair) string { return string(v.Outcome) }},
		column[view.Pair]{title: "reason", wide: true, value: func(v view.Pair) string { return v.Reason }},
	)
}
