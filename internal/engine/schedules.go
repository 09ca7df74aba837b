package engine

import (
	"context"
	"time"

	"github.com/halosync/halosync/repo"
)

// SetSchedule gives a connection a schedule of its own, or with an empty spec
// the default one. The next worker that ticks plans its next resync. The
// error is a [*UsageError] if the schedule makes no sense.
func (e *Engine) SetSchedule(ctx context.Context, tenant, actor, ref, spec string) (repo.Connection, error) {
	if spec != "" {
		if _, err := ParseSchedule(spec); err != nil {
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
