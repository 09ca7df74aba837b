package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Ended is a run that has ended.
type Ended struct {
	Kind, State string
	// Took is the time since its first execution began, waits included. It is 0
	// if no execution did, or nobody knows.
	Took time.Duration
}

func endedOf(run repo.Run) Ended {
	ended := Ended{Kind: run.Kind, State: run.State}
	if run.StartedAt != nil && run.FinishedAt != nil {
		ended.Took = run.FinishedAt.Sub(*run.StartedAt)
	}
	return ended
}

// remembered refuses a task whose run may have ended and been forgotten since:
// one that the queue has kept for longer than the ledger keeps runs, as its
// archive does, and that somebody set going again. It would be executed as if it
// had been requested now, and undo what was decided meanwhile.
func (e *Engine) remembered(ctx context.Context, n repo.NewRun, now time.Time) error {
	if e.keep.Runs <= 0 || n.ID.Version() != 7 {
		return nil
	}
	sec, nsec := n.ID.Time().UnixTime()
	if now.Sub(time.Unix(sec, nsec)) < e.keep.Runs {
		return nil
	}
	_, err := e.store.Run(ctx, n.Tenant, n.ID)
	if errors.Is(err, repo.ErrNotFound) {
		return tasks.Never(fmt.Errorf("run %s was requested more than %v ago, and its record is gone: request it anew", RunID(n.ID), e.keep.Runs))
	}
	if err != nil {
		return tasks.Later(retryStore, err)
	}
	return nil
}
