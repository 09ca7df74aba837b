package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/view"
)

var undoColumns = []column[view.Undo]{
	{title: "run_id", value: func(u view.Undo) string { return u.RunID }},
	{title: "unmapped", value: func(u view.Undo) string { return fmt.Sprint(u.Unmapped) }},
	{title: "companies_removed", value: func(u view.Undo) string { return fmt.Sprint(u.Removed) }},
	{title: "gone", value: func(u view.Undo) string { return fmt.Sprint(u.Gone) }},
	{title: "left_count", value: func(u view.Undo) string { return fmt.Sprint(u.LeftCount) }},
}

var leftColumns = []column[view.Left]{
	{title: "company_name", wide: true, value: func(l view.Left) string { return l.CompanyName }},
	{title: "client_id", value: func(l view.Left) string { return number(l.ClientID) }},
	{title: "mapping_id", value: func(l view.Left) string { return orEmpty(l.MappingID) }},
	{title: "company_id", extra: true, value: func(l view.Left) string { return l.CompanyID }},
	{title: "reason", wide: true, value: func(l view.Left) string { return l.Reason }},
}

func (a *app) runsUndo() *cobra.Command {
	return &cobra.Command{
		Use: "undo RUN", Short: "Undo an ended import or map run",
		Long: `undo unmaps the mappings that an ended import or map run created, and deletes the
companies that it created, unless a person changed them since. It lists what it
leaves unchanged, with the reason. Mappings that "map --replace" replaced stay
unmapped; restore them with "enqueue restore". It is safe to repeat.`,
		Args:    exactly("a run's id"),
		Example: "  enqueue runs undo 0193f2a4c5d77e0a9b1c2d3e4f506172",
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				undo, err := p.engine.UndoRun(ctx, p.tenant, a.actor(), args[0])
				if err != nil {
					return err
				}
				return a.printUndo(view.NewUndo(undo))
			})
		}),
	}
}

func (a *app) printUndo(v view.Undo) error {
	if err := one(a, v, undoColumns); err != nil {
		return err
	}
	if a.format == "table" && len(v.Left) > 0 {
		fmt.Fprintf(a.Out, "\nleft unchanged (%d):\n", v.LeftCount)
		if err := list(a, v.Left, leftColumns); err != nil {
			return err
		}
	}
	if v.LeftCount > 0 {
		return &needsPersonError{fmt.Sprintf("run %s is undone except for %d mappings or companies", v.RunID, v.LeftCount)}
	}
	return nil
}
