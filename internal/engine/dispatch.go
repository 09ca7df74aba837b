package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	// dispatchAtOnce is how many runs share a transaction of the dispatcher.
	dispatchAtOnce = 500
	// listenAgain is the pause before a broken LISTEN is tried again; until then
	// the ticks find what was requested.
	listenAgain = 10 * time.Second
	// deafAgain is the pause when there is nothing to be heard.
	deafAgain = time.Hour
	// sqlKey begins the request key of a run that was requested in SQL, where
	// the key that it has everywhere else cannot be computed.
	sqlKey = "sql:"
)

// listen rings whenever a run is requested in SQL, until ctx ends.
func (e *Engine) listen(ctx context.Context, ring func()) {
	for ctx.Err() == nil {
		err := e.store.Listen(ctx, ring)
		if ctx.Err() != nil {
			return
		}
		e.log.Warn("not told of requests in SQL, looking for them instead", zap.Error(err))
		pause := listenAgain
		if errors.Is(err, repo.ErrDeaf) {
			pause = deafAgain
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// dispatch brings ledger and queue together: runs that were requested through
// Redis alone get their row, and runs that have no task, as far as is known,
// get one: those requested in SQL or by the clock, and those whose task a
// crash or a flush took away. A task that is there stays as it is.
func (e *Engine) dispatch(ctx context.Context) (n int, err error) {
	if e.queue == nil {
		return 0, nil
	}
	marked, err := e.queue.Marked(ctx)
	if err != nil {
		return 0, fmt.Errorf("dispatch: %w", err)
	}
	if !marked {
		e.log.Warn("the queue is new or has lost its tasks: putting every unfinished run into it")
		if err := e.store.UndispatchAll(ctx); err != nil {
			return 0, fmt.Errorf("dispatch: %w", err)
		}
		// Not before: Postgres may be away just now, and the next tick must see
		// that nothing has been done about it.
		if err := e.queue.Mark(ctx); err != nil {
			return 0, fmt.Errorf("dispatch: %w", err)
		}
	}
	if err := e.recordUnseen(ctx); err != nil {
		return 0, err
	}
	for {
		runs, err := e.store.ClaimUndispatched(ctx, dispatchAtOnce)
		if err != nil {
			return n, fmt.Errorf("dispatch: %w", err)
		}
		for i, run := range runs {
			if err := e.dispatchRun(ctx, run); err != nil {
				return n, errors.Join(fmt.Errorf("dispatch: %w", err), e.giveBack(ctx, runs[i:]))
			}
			n++
		}
		if len(runs) < dispatchAtOnce {
			return n, nil
		}
	}
}

func (e *Engine) dispatchRun(ctx context.Context, run repo.Run) error {
	id := RunID(run.ID)
	if run.ApprovedAt != nil { // whose held task may still be kept
		if err := e.queue.Forget(ctx, id); err != nil {
			return err
		}
	}
	if strings.HasPrefix(run.RequestKey, sqlKey) {
		if err := e.shareKey(ctx, run); err != nil {
			return err
		}
	}
	err := tasks.EnqueueStored(ctx, e.queue, taskKind(run.Kind), id, run.Args)
	if errors.Is(err, tasks.ErrArguments) {
		return e.store.RejectRun(ctx, run.Tenant, run.ID, reason(err))
	}
	return err
}

// shareKey gives a run that was requested in SQL the key of the same request
// elsewhere, so that it is recognised there. Should such a request have come
// first, both keep their runs: the second finds nothing left to do.
func (e *Engine) shareKey(ctx context.Context, run repo.Run) error {
	stored, err := tasks.ReadStored(taskKind(run.Kind), run.Args)
	if err != nil {
		return nil //nolint:nilerr // the arguments are judged when they are enqueued
	}
	err = e.store.SetRequestKey(ctx, run.Tenant, run.ID, stored.Key)
	if errors.Is(err, repo.ErrConflict) { // it came at this moment
		return nil
	}
	return err
}

// giveBack lets the next tick try again.
func (e *Engine) giveBack(ctx context.Context, runs []repo.Run) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return e.store.Undispatch(ctx, runs)
}

// recordUnseen writes the runs that were requested through Redis alone into
// the ledger: from then on nothing that happens to Redis can lose them.
func (e *Engine) recordUnseen(ctx context.Context) error {
	for {
		unseen, err := e.queue.TakeUnseen(ctx, dispatchAtOnce)
		for _, u := range unseen {
			if rerr := e.record(ctx, u); rerr != nil {
				// It is seen when it is executed. Others must not wait for that.
				e.log.Warn("run not recorded", zap.String("run", u.RunID), zap.Error(rerr))
			}
		}
		if err != nil {
			return fmt.Errorf("dispatch: %w", err)
		}
		if len(unseen) == 0 {
			return nil
		}
	}
}

// record writes a run of the queue into the ledger. One whose request is
// running already under another id, or whose arguments are wrong, is left to
// its execution, which says so.
func (e *Engine) record(ctx context.Context, u tasks.Unseen) error {
	stored, err := tasks.ReadStored(u.Kind, u.Args)
	if errors.Is(err, tasks.ErrArguments) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := uuid.Parse(u.RunID)
	if err != nil {
		return err
	}
	connection, err := uuid.Parse(stored.ConnectionID)
	if err != nil {
		return err
	}
	_, _, err = e.store.CreateRun(ctx, repo.NewRun{
		ID: id, Kind: strings.TrimPrefix(u.Kind, "halo:"), Tenant: stored.Tenant, ConnectionID: connection,
		Args: stored.Args, RequestKey: stored.Key, RequestedBy: stored.RequestedBy,
	})
	if errors.Is(err, repo.ErrNotFound) {
		return nil // the connection; the execution says so
	}
	return err
}
