package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/repo"
)

// SetSchedule gives a connection a schedule of its own, or with an empty spec
// the default one. The next worker that ticks plans its next resync. The
// error is a [*UsageError] if the schedule makes no sense.
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

// ScheduleStatus says in words how a connection's resync stands at a time.
func ScheduleStatus(c repo.Connection, now time.Time) string {
	text := "on time"
	switch {
	case c.State != repo.Active:
		text = string(c.State) + ": no resync until it is active again"
	case c.NextResyncAt == nil:
		text = "not planned yet: a worker does so within seconds"
	case now.Sub(*c.NextResyncAt) > schedule.LateAfter:
		text = "late: due since " + c.NextResyncAt.UTC().Format(time.RFC3339) + "; is a worker up?"
	}
	if c.MissedResyncs > 0 {
		text += fmt.Sprintf("; %d missed so far", c.MissedResyncs)
	}
	return text
}

// PlannedSchedule is the schedule that a connection's next resync was planned
// by; empty: it has not been planned yet.
func PlannedSchedule(c repo.Connection) string {
	spec, _, _ := strings.Cut(c.NextResyncSpec, schedule.SpreadMark)
	return spec
}
