package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

var runColumns = []column[view.Run]{
	{title: "id", value: func(r view.Run) string { return r.ID }},
	{title: "kind", value: func(r view.Run) string { return string(r.Kind) }},
	{title: "state", value: func(r view.Run) string { return string(r.State) }},
	{title: "queued_at", value: func(r view.Run) string { return stamp(&r.QueuedAt) }},
	{title: "took", value: took},
	{title: "records", value: func(r view.Run) string { return fmt.Sprint(r.Records) }},
	{title: "created", value: func(r view.Run) string { return fmt.Sprint(r.Created) }},
	{title: "linked", value: func(r view.Run) string { return fmt.Sprint(r.Linked) }},
	{title: "ambiguous", extra: true, value: func(r view.Run) string { return fmt.Sprint(r.Ambiguous) }},
	{title: "failed", value: func(r view.Run) string { return fmt.Sprint(r.Failed) }},
	{title: "missing", value: func(r view.Run) string { return fmt.Sprint(r.Missing) }},
	{title: "requested_by", wide: true, value: func(r view.Run) string { return r.RequestedBy }},
	{title: "error", wide: true, value: func(r view.Run) string { return r.Error }},
}

// took returns the duration of a run or, if the run has not ended, the time since its
// start.
func took(r view.Run) string {
	if r.StartedAt == nil {
		return ""
	}
	end := time.Now()
	if r.FinishedAt != nil {
		end = *r.FinishedAt
	}
	return end.Sub(*r.StartedAt).Round(100 * time.Millisecond).String()
}

// handled returns how many records a run of this kind has processed, or an empty
// string for a run of another kind.
func handled(r view.Run, kind repo.RunKind) string {
	if r.Kind != kind {
		return ""
	}
	return fmt.Sprintf("%d of %d", r.Records, r.RecordsTotal)
}

// runDetail contains the lines for a single run.
var runDetail = []column[view.Run]{
	{title: "run", value: func(r view.Run) string { return r.ID }},
	{title: "kind", value: func(r view.Run) string {
		if r.DryRun {
			return string(r.Kind) + " (dry run: nothing was written)"
		}
		return string(r.Kind)
	}},
	{title: "state", value: func(r view.Run) string { return string(r.State) }},
	{title: "error", value: func(r view.Run) string { return r.Error }},
	{title: "waiting_for", value: func(r view.Run) string { return r.WaitReason }},
	{title: "took", value: took},
	{title: "pairs", value: func(r view.Run) string { return handled(r, repo.KindMap) }},
	{title: "mappings", value: func(r view.Run) string { return handled(r, repo.KindUnmap) }},
	{title: "clients_seen", value: func(r view.Run) string {
		if r.Kind == repo.KindMap || r.Kind == repo.KindUnmap {
			return ""
		}
		text := fmt.Sprintf("%s on %s", plaintext.Count(r.Records), plaintext.Plural(r.Pages, "page", "pages"))
		if r.Complete {
			return text + ", complete"
		}
		if r.RecordsTotal > 0 {
			text += ", of " + plaintext.Count(r.RecordsTotal)
		}
		return text
	}},
	{title: "created", value: func(r view.Run) string { return fmt.Sprint(r.Created) }},
	{title: "linked", value: func(r view.Run) string { return fmt.Sprint(r.Linked) }},
	{title: "refreshed", value: func(r view.Run) string { return fmt.Sprint(r.Refreshed) }},
	{title: "unchanged", value: func(r view.Run) string { return fmt.Sprint(r.Unchanged) }},
	{title: "ambiguous", value: func(r view.Run) string { return fmt.Sprint(r.Ambiguous) }},
	{title: "skipped", value: func(r view.Run) string { return fmt.Sprint(r.Skipped) }},
	{title: "failed", value: func(r view.Run) string { return fmt.Sprint(r.Failed) }},
	{title: "missing", value: func(r view.Run) string { return some(r.Missing) }},
	{title: "unverified", value: func(r view.Run) string { return some(r.Unverified) }},
	{title: "removed", value: func(r view.Run) string { return some(r.Removed) }},
	{title: "lines_passed_over", value: func(r view.Run) string { return some(r.LinesPassedOver) }},
}

var itemColumns = []column[view.Item]{
	{title: "client_id", value: func(i view.Item) string { return number(i.ClientID) }},
	{title: "outcome", value: func(i view.Item) string { return string(i.Outcome) }},
	{title: "reason", wide: true, value: func(i view.Item) string { return i.Reason }},
}

// some formats a number. It returns an empty string for 0.
func some(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// viewRun returns the view of a run. If the run panicked, the view includes the stack
// trace.
func viewRun(r repo.Run) view.Run {
	v := view.NewRun(r)
	v.Stack = r.Stack
	return v
}

// printRun prints a run. A table also shows the run's pairs or the items that need a
// person's attention.
func (a *app) printRun(run repo.Run) error {
	v := viewRun(run)
	v.LinesPassedOver = a.file.passedOver
	detail := runDetail
	if a.format == "csv" {
		detail = runColumns
	}
	if err := one(a, v, detail); err != nil {
		return err
	}
	if a.format == "table" && v.Stack != "" {
		fmt.Fprintln(a.Out, "\nstack trace (for support):")
		for line := range strings.Lines(v.Stack) {
			fmt.Fprintln(a.Out, " ", plaintext.Printable(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    ")))
		}
	}
	if a.format == "table" && len(v.Pairs) > 0 {
		fmt.Fprintln(a.Out)
		return list(a, v.Pairs, pairColumnsOf(v.Pairs))
	}
	if a.format == "table" && len(v.Items) > 0 {
		fmt.Fprintf(a.Out, "\nneeds a person's attention (%d):\n", len(v.Items))
		return list(a, v.Items, itemColumns)
	}
	return nil
}

// ended returns the error with which a command reports a finished run, or nil if the run
// succeeded.
func ended(run repo.Run) error {
	id := engine.RunID(run.ID)
	items := ""
	if n := len(run.Items); n > 0 {
		items = "; " + plaintext.Plural(n, "item needs", "items need") + " a person's attention"
	}
	switch run.State {
	case repo.StateSucceeded:
		if items != "" { // a resync found missing clients
			return &needsPersonError{fmt.Sprintf("run %s succeeded%s", id, items)}
		}
		return nil
	case repo.StatePartial, repo.StateHeld:
		return &needsPersonError{fmt.Sprintf("run %s is %s: %s%s", id, run.State, run.Error, items)}
	default:
		return fmt.Errorf("run %s is %s: %s", id, run.State, strings.TrimSpace(run.Error))
	}
}

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
		return &needsPersonError{fmt.Sprintf("run %s is undone except for %s", v.RunID, plaintext.Plural(v.LeftCount, "mapping or company", "mappings or companies"))}
	}
	return nil
}
