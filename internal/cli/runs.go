package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

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
	cmd.Flags().StringVar((*string)(&filter.Kind), "kind", "", "only runs of this kind: import, map, unmap, resync or suggest")
	cmd.Flags().StringVar((*string)(&filter.State), "state", "", "only runs in this state")
	cmd.Flags().IntVar(&filter.Limit, "limit", 50, "maximum number of runs")
	return cmd
}

func checkKind(kind repo.RunKind) error {
	switch kind {
	case "", repo.KindImport, repo.KindMap, repo.KindUnmap, repo.KindResync, repo.KindSuggest:
		return nil
	}
	return usagef("--kind %q: want import, map, unmap, resync or suggest", kind)
}

func (a *app) runsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show a run and the items that need a person's attention", Args: exactly("a run's id"),
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

// watchEvery is the interval at which a waiting command reads its run.
const watchEvery = 200 * time.Millisecond

// watch shows the progress of a run and prints the run when it has ended. It returns an
// error if the run failed or needs a person's attention.
func (a *app) watch(ctx context.Context, p parts, runID string) error {
	run, err := a.await(ctx, p, runID)
	if err != nil {
		return err
	}
	if err := a.printRun(run); err != nil {
		return err
	}
	return ended(run)
}

// await shows the progress of a run and returns the run when it has ended.
func (a *app) await(ctx context.Context, p parts, runID string) (repo.Run, error) {
	bar := newProgress(a.Err, isTerminal(a.Err))
	run, err := p.engine.Watch(ctx, p.tenant, runID, watchEvery, bar.show)
	bar.end()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted, but the run continues: enqueue runs watch %s", runID)
	}
	return run, err
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
	return a.runAgain("retry", "Repeat the request of a finished run; start a waiting run now", (*engine.Engine).Retry)
}

func (a *app) runsApprove() *cobra.Command {
	return a.runAgain("approve", "Approve a held run, which starts again with Halo's current data", (*engine.Engine).Approve)
}

type runStart = func(e *engine.Engine, ctx context.Context, tenant, runID, actor string) (engine.Receipt, error)

// runAgain returns a command that starts a run again.
func (a *app) runAgain(name, short string, start runStart) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: name + " RUN", Short: short, Args: exactly("a run's id"),
		Example: fmt.Sprintf("  enqueue runs %s 0193f2a4c5d77e0a9b1c2d3e4f506172 --wait", name),
		RunE: a.do(func(ctx context.Context, args []string) error {
			return a.with(ctx, needQueue, func(ctx context.Context, p parts) error {
				receipt, err := start(p.engine, ctx, p.tenant, args[0], a.actor())
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

func (a *app) runsUndo() *cobra.Command {
	return &cobra.Command{
		Use: "undo RUN", Short: "Undo a finished import or map run",
		Long: `undo unmaps the mappings that a finished import or map run created, and deletes the
companies that it created, unless a person has changed them since. It lists what it
leaves unchanged, with the reason. Mappings that "map --replace" replaced stay
unmapped; restore them with "enqueue restore". You can safely repeat an undo.`,
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
