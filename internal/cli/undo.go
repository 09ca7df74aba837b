package cli

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// undoView is what undoing a run came to.
type undoView struct {
	RunID     string     `json:"run_id"`
	Unmapped  int        `json:"unmapped"`          // mappings taken back
	Removed   int        `json:"companies_removed"` // companies taken back
	Gone      int        `json:"gone"`              // had been deleted before
	LeftCount int        `json:"left_count"`        // left as they are
	Left      []leftView `json:"left"`              // at most 1,000 of them
}

// leftView is a mapping or a company that was left as it is.
type leftView struct {
	MappingID   *string `json:"mapping_id"` // null: a company
	CompanyID   string  `json:"company_id"`
	CompanyName string  `json:"company_name"`
	ClientID    *int64  `json:"client_id"`
	Reason      string  `json:"reason"`
}

func viewUndo(u engine.Undo) undoView {
	return undoView{
		RunID: u.RunID, Unmapped: u.Unmapped, Removed: u.Removed, Gone: u.Gone,
		LeftCount: u.LeftCount, Left: viewAll(u.Left, viewLeft),
	}
}

func viewLeft(k repo.Kept) leftView {
	v := leftView{CompanyID: k.CompanyID.String(), CompanyName: k.CompanyName, Reason: k.Reason}
	if k.MappingID != uuid.Nil {
		v.MappingID = idText(&k.MappingID)
	}
	if k.ClientID != 0 {
		v.ClientID = &k.ClientID
	}
	return v
}

var undoColumns = []column[undoView]{
	{title: "run_id", value: func(u undoView) string { return u.RunID }},
	{title: "unmapped", value: func(u undoView) string { return fmt.Sprint(u.Unmapped) }},
	{title: "companies_removed", value: func(u undoView) string { return fmt.Sprint(u.Removed) }},
	{title: "gone", value: func(u undoView) string { return fmt.Sprint(u.Gone) }},
	{title: "left_count", value: func(u undoView) string { return fmt.Sprint(u.LeftCount) }},
}

var leftColumns = []column[leftView]{
	{title: "company_name", wide: true, value: func(l leftView) string { return l.CompanyName }},
	{title: "client_id", value: func(l leftView) string { return number(l.ClientID) }},
	{title: "mapping_id", value: func(l leftView) string { return orEmpty(l.MappingID) }},
	{title: "company_id", extra: true, value: func(l leftView) string { return l.CompanyID }},
	{title: "reason", wide: true, value: func(l leftView) string { return l.Reason }},
}

func (a *app) runsUndo() *cobra.Command {
	return &cobra.Command{
		Use: "undo RUN", Short: "Take back what an import or map run made and nobody has touched since",
		Long: `undo deletes the mappings that an ended import or map run made, and the companies
that it created, where nobody has touched them since; a sync is nobody. What
stays is told with the reason. Mappings that "map --replace" took the place of
stay deleted; "enqueue restore" brings them back. It is safe to repeat.`,
		Args:    exactly("a run's id"),
		Example: "  enqueue runs undo 0193f2a4c5d77e0a9b1c2d3e4f506172",
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				undo, err := p.engine.UndoRun(ctx, p.tenant, a.actor(), args[0])
				if err != nil {
					return err
				}
				return a.printUndo(viewUndo(undo))
			})
		}),
	}
}

func (a *app) printUndo(view undoView) error {
	if err := one(a, view, undoColumns); err != nil {
		return err
	}
	if a.format == "table" && len(view.Left) > 0 {
		fmt.Fprintf(a.Out, "\nleft as they are (%d):\n", view.LeftCount)
		if err := list(a, view.Left, leftColumns); err != nil {
			return err
		}
	}
	if view.LeftCount > 0 {
		return &needsPersonError{fmt.Sprintf("run %s is undone but for %d mappings or companies, which stay", view.RunID, view.LeftCount)}
	}
	return nil
}
