package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

var outcomeColumns = []column[view.Outcome]{
	{title: "id", value: func(o view.Outcome) string { return o.ID }},
	{title: "company_name", wide: true, value: func(o view.Outcome) string { return orEmpty(o.CompanyName) }},
	{title: "client_id", value: func(o view.Outcome) string { return number(o.ClientID) }},
	{title: "client_name", wide: true, value: func(o view.Outcome) string { return orEmpty(o.ClientName) }},
	{title: "state", extra: true, value: func(o view.Outcome) string { return o.State }},
	{title: "outcome", value: func(o view.Outcome) string { return o.Outcome }},
	{title: "reason", wide: true, value: func(o view.Outcome) string { return o.Reason }},
}

func (a *app) unmapCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unmap MAPPING...", Short: "Delete mappings; companies and clients stay",
		Long: `unmap deletes mappings at once, also while an import or a resync of their
connection runs: that run does not bring them back. A deleted mapping is kept;
"enqueue mappings --unmapped" shows it and "enqueue restore" brings it back.`,
		Example: "  enqueue unmap 0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172",
		Args:    someMappings,
		RunE: a.do(func(ctx context.Context, ids []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				outcomes, err := p.engine.UnmapNow(ctx, p.tenant, a.actor(), ids)
				if err != nil {
					return err
				}
				return a.printOutcomes(outcomes)
			})
		}),
	}
}

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore MAPPING...", Short: "Bring deleted mappings back",
		Long: `restore brings deleted mappings back under their ids. Each client is read from
Halo, for which HALOSYNC_KEYSET is needed; a client that cannot be read makes
the mapping unverified until the next resync. A mapping is refused if its
company is gone, or its company or client is mapped otherwise by now.`,
		Example: "  enqueue restore 0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172",
		Args:    someMappings,
		RunE: a.do(func(ctx context.Context, ids []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				outcomes, err := p.engine.Restore(ctx, p.tenant, a.actor(), ids)
				if err != nil {
					return err
				}
				return a.printOutcomes(outcomes)
			})
		}),
	}
}

// someMappings wants at least one argument.
func someMappings(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef(`want the id of a mapping, as "enqueue mappings" shows it`)
	}
	return nil
}

// printOutcomes prints what became of each mapping. What was refused needs a
// person.
func (a *app) printOutcomes(outcomes []repo.MappingOutcome) error {
	if err := list(a, view.Each(outcomes, view.NewOutcome), outcomeColumns); err != nil {
		return err
	}
	refused := 0
	for _, o := range outcomes {
		if o.Outcome == repo.DoesNotExist || o.Outcome == repo.Refused {
			refused++
		}
	}
	if refused > 0 {
		return &needsPersonError{fmt.Sprintf("%d of %d mappings could not be changed; see the reasons", refused, len(outcomes))}
	}
	return nil
}
