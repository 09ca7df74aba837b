package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// row is a run in the ledger.
type row struct {
	repo.Run

	id    string // in the queue's format
	asker string // "ask-n", or "schedule"
}

// ledger reads all runs of all tenants.
func (e *episode) ledger(ctx context.Context) (map[string]row, error) {
	rows := map[string]row{}
	for _, s := range e.sites {
		runs, err := e.store.Runs(ctx, s.tenant, repo.RunFilter{Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			id := engine.RunID(r.ID)
			rows[id] = row{r, id, strings.TrimPrefix(r.RequestedBy, "cli:")}
		}
	}
	return rows, nil
}

// settle waits until every acknowledged run has ended, and then until the
// queue is empty.
func (e *episode) settle(ctx context.Context) {
	err := e.await(ctx, "all runs have ended", settleTimeout, func() (bool, error) {
		rows, err := e.ledger(ctx)
		if err != nil {
			return false, err
		}
		if open := e.open(rows); len(open) > 0 {
			return false, fmt.Errorf("%d open: %s", len(open), strings.Join(open, "\n"))
		}
		return true, nil
	})
	e.recovery = time.Since(e.lastFault)
	if err != nil {
		e.Errorf("%v", err)
		return
	}
	e.note("all runs have ended")
	err = e.await(ctx, "the queue is empty", settleTimeout, func() (bool, error) {
		left, err := e.queued(ctx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("left: %v", left)
		}
		return len(left) == 0, err
	})
	e.quiet = time.Since(e.lastFault)
	if err != nil {
		e.Errorf("%v", err)
		return
	}
	e.note("the queue is empty")
}

// open returns the runs that have not ended.
func (e *episode) open(rows map[string]row) []string {
	var open []string
	for id, r := range rows {
		if !r.Ended() {
			open = append(open, fmt.Sprintf("%s %s of %s: %s, attempt %d, not before %v, waits for %q", r.Kind, id, r.asker, r.State, r.Attempt, r.NotBefore, r.WaitReason))
		}
	}
	for id, asks := range e.accepted() {
		if _, ok := rows[id]; !ok && !e.mayBeLost(asks) {
			open = append(open, fmt.Sprintf("%s, returned to %s by %s, is not in the ledger", id, asks[0].by(), asks[0].way))
		}
	}
	return open
}

// accepted returns the acknowledged runs with their requests.
func (e *episode) accepted() map[string][]*ask {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := map[string][]*ask{}
	for _, a := range e.asks {
		if a.accepted() {
			told[a.id] = append(told[a.id], a)
		}
	}
	return told
}

// mayBeLost reports whether a run may be missing from the ledger. This is
// allowed if the run was requested only through Redis and Redis then lost
// its data.
func (e *episode) mayBeLost(asks []*ask) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range asks {
		if a.way != byRedis {
			return false
		}
	}
	for _, w := range e.wipes {
		if w.to.After(asks[0].began) {
			return true
		}
	}
	return false
}

// queued counts the unfinished tasks in Redis, by queue and state.
func (e *episode) queued(ctx context.Context) (map[string]int64, error) {
	left := map[string]int64{}
	pipe := e.rdb.Pipeline()
	counts := map[string]interface{ Val() int64 }{"unseen": pipe.LLen(ctx, "halosync:unseen")}
	for _, queue := range []string{"interactive", "import", "resync"} {
		for _, list := range []string{"pending", "active"} {
			counts[queue+" "+list] = pipe.LLen(ctx, "asynq:{"+queue+"}:"+list)
		}
		for _, set := range []string{"scheduled", "retry", "lease"} {
			counts[queue+" "+set] = pipe.ZCard(ctx, "asynq:{"+queue+"}:"+set)
		}
		counts[queue+" groups"] = pipe.SCard(ctx, "asynq:{"+queue+"}:groups")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	for name, n := range counts {
		if n.Val() > 0 {
			left[name] = n.Val()
		}
	}
	return left, nil
}

// value reads one value from the episode's database.
func value[T any](ctx context.Context, e *episode, sql string, args ...any) T {
	var v T
	if err := e.pool.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		e.Errorf("%s: %v", sql, err)
	}
	return v
}

// rows reads rows from the episode's database.
func rows[T any](ctx context.Context, e *episode, sql string, args ...any) []T {
	found, err := e.pool.Query(ctx, sql, args...)
	if err != nil {
		e.Errorf("%s: %v", sql, err)
		return nil
	}
	all, err := pgx.CollectRows(found, pgx.RowToStructByPos[T])
	if err != nil {
		e.Errorf("%s: %v", sql, err)
	}
	return all
}
