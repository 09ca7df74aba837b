package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/internal/view"
)

var scheduleColumns = []column[view.Schedule]{
	{title: "connection", wide: true, value: func(s view.Schedule) string { return s.Connection }},
	{title: "schedule", value: func(s view.Schedule) string {
		if s.Own || s.Schedule == "" {
			return s.Schedule
		}
		return s.Schedule + " (default)"
	}},
	{title: "next_resync_at", value: func(s view.Schedule) string { return stamp(s.NextResyncAt) }},
	{title: "verified_at", value: func(s view.Schedule) string { return stamp(s.VerifiedAt) }},
	{title: "missed_resyncs", extra: true, value: func(s view.Schedule) string { return some(s.MissedResyncs) }},
	{title: "status", wide: true, value: func(s view.Schedule) string { return s.Status }},
}

func (a *app) scheduleCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "schedule", Short: "Manage when connections are resynced automatically",
		Example: "  enqueue schedule list",
	}
	group.AddCommand(a.scheduleList(), a.scheduleSet(), a.scheduleClear())
	return group
}

func (a *app) scheduleList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the schedule and the next resync of each connection", Args: cobra.NoArgs,
		Example: "  enqueue schedule list -o json",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				all, err := p.store.Connections(ctx, p.tenant)
				if err != nil {
					return err
				}
				return list(a, view.Each(all, view.NewSchedule), scheduleColumns)
			})
		}),
	}
}

func (a *app) scheduleSet() *cobra.Command {
	var connection string
	cmd := &cobra.Command{
		Use:   "set --connection C CRON",
		Short: "Set the schedule of a connection",
		Long: `set takes standard cron notation: minute, hour, day, month, day of the week. The
time zone is UTC unless the text starts with CRON_TZ=Zone. No resync is skipped or
doubled when daylight saving time begins or ends. The resync of each connection starts
after a fixed delay of up to HALOSYNC_RESYNC_SPREAD.`,
		Example: `  enqueue schedule set --connection "Acme Halo" "CRON_TZ=Europe/Berlin 30 4 * * *"`,
		Args:    exactly("a schedule in cron notation, in quotes"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			schedule, err := schedule.Parse(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			next := time.Now()
			for range 3 {
				next = schedule.Next(next)
				fmt.Fprintf(a.Err, "  %s\n", next.Format(time.RFC3339))
			}
			return a.setSchedule(ctx, connection, args[0])
		}),
	}
	connectionFlag(cmd, &connection)
	return cmd
}

func (a *app) scheduleClear() *cobra.Command {
	var connection string
	cmd := &cobra.Command{
		Use: "clear --connection C", Short: "Reset a connection to the default schedule", Args: cobra.NoArgs,
		Example: `  enqueue schedule clear --connection "Acme Halo"`,
		RunE:    a.do(func(ctx context.Context, _ []string) error { return a.setSchedule(ctx, connection, "") }),
	}
	connectionFlag(cmd, &connection)
	return cmd
}

func (a *app) setSchedule(ctx context.Context, connection, spec string) error {
	return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
		conn, err := p.engine.SetSchedule(ctx, p.tenant, a.actor(), connection, spec)
		if err != nil {
			return err
		}
		return one(a, view.NewSchedule(conn), scheduleColumns)
	})
}
