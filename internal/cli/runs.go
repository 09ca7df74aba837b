package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

var runColumns = []column[view.Run]{
	{title: "id", value: func(r view.Run) string { return r.ID }},
	{title: "kind", value: func(r view.Run) string { return r.Kind }},
	{title: "state", value: func(r view.Run) string { return r.State }},
	{title: "queued_at", value: func(r view.Run) string { return stamp(&r.QueuedAt) }},
	{title: "took", value: took},
	{title: "records", value: func(r view.Run) string { return fmt.Sprint(r.Records) }},
	{title: "created", value: func(r view.Run) string { return fmt.Sprint(r.Created) }},
	{title: "linked", value: func(r view.Run) string { return fmt.Sprint(r.Linked) }},
	{title: "requested_by", wide: true, value: func(r view.Run) string { return r.RequestedBy }},
	{title: "error", wide: true, value: func(r view.Run) string { return r.Error }},
}

// took returns the duration of a run, until now if it has not ended.
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

// handled returns how much of its request a run has done, empty for another kind.
func handled(r view.Run, kind string) string {
	if r.Kind != kind {
		return ""
	}
	return fmt.Sprintf("%d of %d", r.Records, r.RecordsTotal)
}

// runDetail has the lines of a single run.
var runDetail = []column[view.Run]{
	{title: "run", value: func(r view.Run) string { return r.ID }},
	{title: "kind", value: func(r view.Run) string {
		if r.DryRun {
			return r.Kind + " (dry run: nothing was written)"
		}
		return r.Kind
	}},
	{title: "state", value: func(r view.Run) string { return r.State }},
	{title: "error", value: func(r view.Run) string { return r.Error }},
	{title: "waiting_for", value: func(r view.Run) string { return r.WaitReason }},
	{title: "took", value: took},
	{title: "pairs", value: func(r view.Run) string { return handled(r, repo.KindMap) }},
	{title: "mappings", value: func(r view.Run) string { return handled(r, repo.KindUnmap) }},
	{title: "clients_seen", value: func(r view.Run) string {
		if r.Kind == repo.KindMap || r.Kind == repo.KindUnmap {
			return ""
		}
		text := fmt.Sprintf("%d on %d pages", r.Records, r.Pages)
		if r.Complete {
			return text + ", complete"
		}
		if r.RecordsTotal > 0 {
			text += fmt.Sprintf(", of %d", r.RecordsTotal)
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
}

var itemColumns = []column[view.Item]{
	{title: "client_id", value: func(i view.Item) string { return number(i.ClientID) }},
	{title: "outcome", value: func(i view.Item) string { return i.Outcome }},
	{title: "reason", wide: true, value: func(i view.Item) string { return i.Reason }},
}

// some formats a number; 0 is empty.
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

// viewRun returns the view of a run with the stack trace of its panic, if any.
func viewRun(r repo.Run) view.Run {
	v := view.NewRun(r)
	v.Stack = r.Stack
	return v
}

// printRun prints a run; as a table, with its pairs or the items that need a person.
func (a *app) printRun(run repo.Run) error {
	v := viewRun(run)
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
		fmt.Fprintf(a.Out, "\nneeds a person (%d):\n", len(v.Items))
		return list(a, v.Items, itemColumns)
	}
	return nil
}

// ended returns the error of a command for the state of an ended run, nil for success.
func ended(run repo.Run) error {
	id := engine.RunID(run.ID)
	switch run.State {
	case repo.StateSucceeded:
		if n := len(run.Items); n > 0 {
			return &needsPersonError{fmt.Sprintf("run %s succeeded; %s a person", id, needs(n))}
		}
		return nil
	case repo.StatePartial, repo.StateHeld:
		return &needsPersonError{fmt.Sprintf("run %s is %s: %s", id, run.State, run.Error)}
	default:
		return fmt.Errorf("run %s is %s: %s", id, run.State, strings.TrimSpace(run.Error))
	}
}

func needs(n int) string {
	if n == 1 {
		return "1 item needs"
	}
	return fmt.Sprintf("%d items need", n)
}

func (a *app) runsCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "runs", Aliases: []string{"run"},
		Short:   "Show and control runs: requests and their results",
		Example: "  enqueue runs list\n  enqueue runs watch 0193…",
	}
	group.AddCommand(a.runsList(), a.runsShow(), a.runsWatch(), a.runsCancel(), a.runsRetry(), a.runsApprove(), a.runsUndo())
	return group
}

func (a *app) runsList() *cobra.Command {
	filter := repo.RunFilter{}
	cmd := &cobra.Command{
		Use: "list", Short: "List the runs of the tenant, newest first", Args: cobra.NoArgs,
		Example: "  enqueue runs list --kind import --state failed",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := checkKind(filter.Kind); err != nil {
				return err
			}
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				runs, err := p.store.Runs(ctx, p.tenant, filter)
				if err != nil {
					return err
				}
				return list(a, view.Each(runs, viewRun), runColumns)
			})
		}),
	}
	cmd.Flags().StringVar(&filter.Kind, "kind", "", "only runs of this kind: import, map, unmap or resync")
	cmd.Flags().StringVar(&filter.State, "state", "", "only runs in this state")
	cmd.Flags().IntVar(&filter.Limit, "limit", 50, "maximum number of runs")
	return cmd
}

func checkKind(kind string) error {
	switch kind {
	case "", repo.KindImport, repo.KindMap, repo.KindUnmap, repo.KindResync:
		return nil
	}
	return usagef("--kind %q: want import, map, unmap or resync", kind)
}

func (a *app) runsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show a run and the items that need a person", Args: exactly("a run's id"),
		Example: "  enqueue runs show 0193f2a4c5d77e0a9b1c2d3e4f506172",
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				run, err := p.engine.Run(ctx, p.tenant, args[0])
				if err != nil {
					return err
				}
				return a.printRun(run)
			})
		}),
	}
}

func (a *app) runsWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch RUN", Short: "Show the progress of a run until it ends", Args: exactly("a run's id"),
		Example: "  enqueue runs watch 0193f2a4c5d77e0a9b1c2d3e4f506172",
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				return a.watch(ctx, p, args[0])
			})
		}),
	}
}

// watchEvery is how often a run is read while a command waits for it.
const watchEvery = 200 * time.Millisecond

// watch shows the progress of a run, prints it when it has ended, and returns an error
// if it failed.
func (a *app) watch(ctx context.Context, p parts, runID string) error {
	bar := newProgress(a.Err, isTerminal(a.Err))
	run, err := p.engine.Watch(ctx, p.tenant, runID, watchEvery, bar.show)
	bar.end()
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted, but the run continues: enqueue runs watch %s", runID)
		}
		return err
	}
	if err := a.printRun(run); err != nil {
		return err
	}
	return ended(run)
}

func (a *app) runsCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel RUN", Short: "Cancel a run after the current page; its changes stay", Args: exactly("a run's id"),
		Example: "  enqueue runs cancel 0193f2a4c5d77e0a9b1c2d3e4f506172",
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				run, err := p.engine.Cancel(ctx, p.tenant, args[0], a.actor())
				if err != nil {
					return err
				}
				if !run.Ended() {
					fmt.Fprintln(a.Err, "the run stops after the current page")
				}
				return a.printRun(run)
			})
		}),
	}
}

func (a *app) runsRetry() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "retry RUN", Short: "Repeat the request of an ended run; start a waiting run now", Args: exactly("a run's id"),
		Example: "  enqueue runs retry 0193f2a4c5d77e0a9b1c2d3e4f506172 --wait",
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needQueue, func(ctx context.Context, p parts) error {
				receipt, err := p.engine.Retry(ctx, p.tenant, args[0], a.actor())
				if err != nil {
					return err
				}
				return a.requested(ctx, p, receipt, wait)
			})
		}),
	}
	waitFlag(cmd, &wait)
	return cmd
}
