package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

func (a *app) resyncCommand() *cobra.Command {
	var connection string
	var all, wait bool
	cmd := &cobra.Command{
		Use:   "resync (--connection C | --all)",
		Short: "Reconcile the mappings with Halo now",
		Long: `resync compares every mapping of a connection with Halo. It updates names and marks
mappings whose client is inactive, missing in Halo, or could not be read. It never
unmaps, and it changes a mapping only if the responses of Halo prove the change. A run
that would mark too many mappings as missing is held until a person approves it with
"enqueue runs approve". Workers also resync every connection on its schedule.`,
		Example: "  enqueue resync --connection \"Acme Halo\" --wait\n  enqueue resync --all",
		Args:    cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.with(ctx, needQueue, func(ctx context.Context, p parts) error {
				if all {
					return a.resyncAll(ctx, p, wait)
				}
				receipt, err := p.engine.RequestResync(ctx, p.tenant, connection, a.actor())
				if err != nil {
					return err
				}
				return a.requested(ctx, p, receipt, wait)
			})
		}),
	}
	cmd.Flags().StringVar(&connection, "connection", "", "name or id of the connection")
	cmd.Flags().BoolVar(&all, "all", false, "resync all active connections of the tenant")
	cmd.MarkFlagsOneRequired("connection", "all")
	cmd.MarkFlagsMutuallyExclusive("connection", "all")
	waitFlag(cmd, &wait)
	return cmd
}

// resyncAll requests a resync of each active connection and prints the runs.
func (a *app) resyncAll(ctx context.Context, p parts, wait bool) error {
	conns, err := p.store.Connections(ctx, p.tenant)
	if err != nil {
		return err
	}
	var receipts []engine.Receipt
	for _, c := range conns {
		if c.State != repo.Active {
			fmt.Fprintf(a.Err, "connection %q skipped: it is %s\n", plaintext.Printable(c.Name), c.State)
			continue
		}
		receipt, err := p.engine.RequestResync(ctx, p.tenant, c.ID.String(), a.actor())
		if err != nil {
			return err
		}
		a.noteQueue(receipt)
		receipts = append(receipts, receipt)
	}
	runs := make([]repo.Run, len(receipts))
	var endings []error
	for i, receipt := range receipts {
		if runs[i], err = a.follow(ctx, p, receipt.RunID, wait); err != nil {
			return err
		}
		if wait {
			endings = append(endings, ended(runs[i]))
		}
	}
	if err := list(a, view.Each(runs, view.NewRun), runColumns); err != nil {
		return err
	}
	return worst(endings)
}

// follow returns a run. If wait is set, it waits until the run has ended.
func (a *app) follow(ctx context.Context, p parts, runID string, wait bool) (repo.Run, error) {
	if !wait {
		return p.engine.Run(ctx, p.tenant, runID)
	}
	bar := newProgress(a.Err, isTerminal(a.Err))
	defer bar.end()
	return p.engine.Watch(ctx, p.tenant, runID, watchEvery, bar.show)
}

// worst returns the error that decides the exit code of several runs. A failed run takes
// precedence over a run that needs a person's attention.
func worst(endings []error) error {
	var person *needsPersonError
	var failed, waiting []error
	for _, err := range endings {
		switch {
		case errors.As(err, &person):
			waiting = append(waiting, err)
		case err != nil:
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return errors.New(errors.Join(append(failed, waiting...)...).Error()) // drops the type needsPersonError
	}
	return errors.Join(waiting...)
}
