package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
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
		Long: `suggest requests a run and waits for it. The run reads the active clients of Halo and
compares them with the companies that are not mapped on the connection. It compares
keys (the external id with Halo's reference, accounts id or number), names, names
without the legal form, and similar names. If several pairs fit nearly equally well,
all are shown as ambiguous. Pairs that were dismissed or unmapped are not suggested
again.`,
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
			needs := needQueue
			if len(pairs) > 0 {
				needs = needStore
			}
			return a.with(ctx, needs, func(ctx context.Context, p parts) error {
				if len(pairs) > 0 {
					n, err := p.engine.Dismiss(ctx, p.tenant, a.actor(), connection, pairs)
					if err == nil {
						fmt.Fprintf(a.Err, "%d of %d pairs newly dismissed\n", n, len(pairs))
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

// suggest requests the suggestions, waits for them and prints them.
func (a *app) suggest(ctx context.Context, p parts, connection string, minScore float64, limit int) error {
	run, err := a.computeSuggestions(ctx, p, connection)
	if err != nil {
		return err
	}
	found, err := p.engine.Suggestions(ctx, p.tenant, connection, repo.SuggestionFilter{MinScore: minScore, Limit: limit})
	if err != nil {
		return err
	}
	a.notices(found)
	if err := list(a, view.Each(found.Pairs, view.NewSuggestion), suggestionColumns); err != nil {
		return err
	}
	certain, err := p.engine.Suggestions(ctx, p.tenant, connection, repo.SuggestionFilter{MinScore: max(0.9, minScore), Certain: true, Limit: 1})
	if err != nil {
		return err
	}
	if n := certain.Total; n > 0 {
		fmt.Fprintf(a.Err, "unambiguous pairs with a score of at least 0.9: %d; to map them: enqueue map --connection %q --from-suggest 0.9\n", n, connection)
	}
	return ended(run)
}

// computeSuggestions requests a run that computes the suggestions and waits for it. The
// error says why it stored no suggestions.
func (a *app) computeSuggestions(ctx context.Context, p parts, connection string) (repo.Run, error) {
	receipt, err := p.engine.RequestSuggestions(ctx, p.tenant, connection, a.actor())
	if err != nil {
		return repo.Run{}, err
	}
	a.noteReceipt(receipt)
	run, err := a.await(ctx, p, receipt.RunID)
	if err == nil && run.State != repo.StateSucceeded && run.State != repo.StatePartial {
		err = ended(run)
	}
	return run, err
}

// notices prints what may be missing from the suggestions.
func (a *app) notices(found repo.StoredSuggestions) {
	for _, notice := range found.Notices {
		fmt.Fprintln(a.Err, plaintext.Printable(notice))
	}
}

// takeSuggestions adds to a request the unambiguous suggestions with a score of at least
// minScore, newly computed. It returns true if there are none.
func (a *app) takeSuggestions(ctx context.Context, p parts, req *engine.MapRequest, minScore float64) (none bool, err error) {
	if _, err := a.computeSuggestions(ctx, p, req.Connection); err != nil {
		return false, err
	}
	found, err := p.engine.Suggestions(ctx, p.tenant, req.Connection, repo.SuggestionFilter{MinScore: minScore, Certain: true})
	if err != nil {
		return false, err
	}
	a.notices(found)
	req.Suggested = true
	for _, s := range found.Pairs {
		req.Pairs = append(req.Pairs, tasks.Pair{Company: s.CompanyID.String(), ClientID: s.ClientID})
	}
	if len(req.Pairs) == 0 {
		fmt.Fprintf(a.Err, "no unambiguous suggestion with a score of at least %v\n", minScore)
	}
	return len(req.Pairs) == 0, nil
}
