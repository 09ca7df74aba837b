package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/repo"
)

// SetSchedule sets a connection's own schedule, or the default one if spec is empty.
// The next tick of a worker plans its next resync. An invalid schedule is a
// [*UsageError].
func (e *Engine) SetSchedule(ctx context.Context, tenant, actor, ref, spec string) (repo.Connection, error) {
	if spec != "" {
		if _, err := schedule.Parse(spec); err != nil {
			return repo.Connection{}, usagef("%v", err)
		}
	}
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	unplanned := time.Time{}
	return e.store.UpdateConnection(ctx, tenant, actor, conn.ID, repo.ConnectionChange{ResyncCron: &spec, NextResyncAt: &unplanned})
}

// ScheduleStatus describes the state of a connection's next resync at a time.
func ScheduleStatus(c repo.Connection, now time.Time) string {
	text := "on time"
	switch {
	case c.State != repo.Active:
		text = string(c.State) + ": no resync until it is active again"
	case c.NextResyncAt == nil:
		text = "not planned yet: a worker plans it within seconds"
	case now.Sub(*c.NextResyncAt) > schedule.LateAfter:
		text = "late: due since " + c.NextResyncAt.UTC().Format(time.RFC3339) + "; is a worker running?"
	}
	if c.MissedResyncs > 0 {
		text += fmt.Sprintf("; %d missed so far", c.MissedResyncs)
	}
	return text
}

// PlannedSchedule returns the schedule that a connection's next resync was planned
// with, or an empty string if it has not been planned yet.
func PlannedSchedule(c repo.Connection) string {
	spec, _, _ := strings.Cut(c.NextResyncSpec, schedule.SpreadMark)
	return spec
}
