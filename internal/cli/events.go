package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

var eventColumns = []column[view.Event]{
	{title: "at", value: func(e view.Event) string { return stamp(&e.At) }},
	{title: "actor", value: func(e view.Event) string { return e.Actor }},
	{title: "action", value: func(e view.Event) string { return e.Action }},
	{title: "how", wide: true, value: func(e view.Event) string { return e.How }},
	{title: "client_id", value: func(e view.Event) string { return number(e.ClientID) }},
	{title: "mapping_id", extra: true, value: func(e view.Event) string { return orEmpty(e.MappingID) }},
	{title: "company_id", extra: true, value: func(e view.Event) string { return orEmpty(e.CompanyID) }},
	{title: "run_id", extra: true, value: func(e view.Event) string { return orEmpty(e.RunID) }},
	{title: "written_by", extra: true, value: func(e view.Event) string { return orEmpty(e.WrittenBy) }},
	{title: "before", wide: true, value: func(e view.Event) string { return string(e.Before) }},
	{title: "after", wide: true, value: func(e view.Event) string { return string(e.After) }},
}

func (a *app) eventsCommand() *cobra.Command {
	var mapping, run, since string
	var limit int
	cmd := &cobra.Command{
		Use: "events", Short: "List events: who changed what, when and how; newest first", Args: cobra.NoArgs,
		Example: `  enqueue events --mapping 0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172
  enqueue events --since 24h -o json
  enqueue events --run 0193f2a4c5d77e0a9b1c2d3e4f506172 --limit 0`,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			filter, err := eventFilter(mapping, run, since, time.Now())
			if err != nil {
				return err
			}
			return a.with(ctx, needStore, func(ctx context.Context, p parts) error {
				events, err := collect(p.store.AllEvents(ctx, p.tenant, filter), limit, view.NewEvent)
				if err != nil {
					return err
				}
				return list(a, events, eventColumns)
			})
		}),
	}
	cmd.Flags().StringVar(&mapping, "mapping", "", "only events of this mapping (id)")
	cmd.Flags().StringVar(&run, "run", "", "only events of this run (id)")
	cmd.Flags().StringVar(&since, "since", "", "only events since this time in UTC (2026-01-31, 2026-01-31T08:00:00Z) or no older than this age (24h, 7d)")
	cmd.Flags().IntVar(&limit, "limit", 100, "maximum number of events; 0 for all")
	return cmd
}

func eventFilter(mapping, run, since string, now time.Time) (f repo.EventFilter, err error) {
	for _, id := range []struct {
		flag, text string
		target     **uuid.UUID
	}{{"--mapping", mapping, &f.MappingID}, {"--run", run, &f.RunID}} {
		if id.text == "" {
			continue
		}
		parsed, err := uuid.Parse(id.text)
		if err != nil {
			return f, usagef("%s %q: want an id", id.flag, id.text)
		}
		*id.target = &parsed
	}
	if since != "" {
		if f.Since, err = parseSince(since, now); err != nil {
			return f, usagef("--since %q: %v", since, err)
		}
	}
	return f, nil
}

// parseSince parses a time, a date or a duration before now. A date means the start of that
// day in UTC.
func parseSince(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("want a time (2026-01-31T08:00:00Z), a date (2026-01-31) or how long ago (24h, 7d)")
}
