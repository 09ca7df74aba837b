package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// scheduleView is when a connection is resynced, as the CLI prints it.
type scheduleView struct {
	ConnectionID  string     `json:"connection_id"`
	Connection    string     `json:"connection"`
	Schedule      string     `json:"schedule"`
	Own           bool       `json:"own"` // not the default
	NextResyncAt  *time.Time `json:"next_resync_at"`
	LastSuccessAt *time.Time `json:"last_success_at"`
	VerifiedAt    *time.Time `json:"verified_at"`
	MissedResyncs int        `json:"missed_resyncs"`
	Status        string     `json:"status"`
}

func viewSchedule(c repo.Connection) scheduleView {
	v := scheduleView{
		ConnectionID: c.ID.String(), Connection: c.Name, Schedule: engine.PlannedSchedule(c), Own: c.ResyncCron != "",
		NextResyncAt: utc(c.NextResyncAt), LastSuccessAt: utc(c.LastSuccessAt), VerifiedAt: utc(c.VerifiedAt),
		MissedResyncs: c.MissedResyncs, Status: engine.ScheduleStatus(c, time.Now()),
	}
	if v.Own {
		v.Schedule = c.ResyncCron
	}
	return v
}

var scheduleColumns = []column[scheduleView]{
	{title: "connection", wide: true, value: func(s scheduleView) string { return s.Connection }},
	{title: "schedule", value: func(s scheduleView) string {
		if s.Own || s.Schedule == "" {
			return s.Schedule
		}
		return s.Schedule + " (default)"
	}},
	{title: "next_resync_at", value: func(s scheduleView) string { return stamp(s.NextResyncAt) }},
	{title: "verified_at", value: func(s scheduleView) string { return stamp(s.VerifiedAt) }},
	{title: "missed_resyncs", extra: true, value: func(s scheduleView) string { return some(s.MissedResyncs) }},
	{title: "status", wide: true, value: func(s scheduleView) string { return s.Status }},
}

func (a *app) scheduleCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "schedule", Short: "When the connections are resynced by themselves",
		Example: "  enqueue schedule list",
	}
	group.AddCommand(a.scheduleList(), a.scheduleSet(), a.scheduleClear())
	return group
}

func (a *app) scheduleList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The schedule of each connection, and how it stands", Args: cobra.NoArgs,
		Example: "  enqueue schedule list -o json",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				all, err := p.store.Connections(ctx, p.tenant)
				if err != nil {
					return err
				}
				return list(a, viewAll(all, viewSchedule), scheduleColumns)
			})
		}),
	}
}

func (a *app) scheduleSet() *cobra.Command {
	var connection string
	cmd := &cobra.Command{
		Use:   "set --connection C CRON",
		Short: "Give a connection a schedule of its own",
		Long: `set takes standard cron notation: minute, hour, day, month, day of the week. The
zone is UTC unless CRON_TZ=Zone stands in front. Nothing is skipped or doubled
when summer time begins or ends. Start times are shifted by up to
HALOSYNC_RESYNC_SPREAD, each connection's by the same bit every time.`,
		Example: `  enqueue schedule set --connection "Acme Halo" "CRON_TZ=Europe/Berlin 30 4 * * *"`,
		Args:    exactly("a schedule in cron notation, in quotes"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			schedule, err := engine.ParseSchedule(args[0])
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
		Use: "clear --connection C", Short: "Give a connection the default schedule again", Args: cobra.NoArgs,
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
		return one(a, viewSchedule(conn), scheduleColumns)
	})
}
