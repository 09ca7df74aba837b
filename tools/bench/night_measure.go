package main

import (
	"context"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// nightLoad is the load during a part of the night.
type nightLoad struct {
	load
	wall, workers, simulator time.Duration // workers and simulator: CPU time
	halo                     halotest.Tally
	transactions             float64
	deepest                  int // maximum number of runs waiting in the queue
	polls                    int // transactions that the measurement itself caused
}

// measured returns the load from begin until every run has ended and every
// connection that is due within the hour has left its saved slot.
func (n *night) measured(ctx context.Context, timeout time.Duration, begin func() error) (s nightLoad, err error) {
	transactions, err := n.transactions(ctx)
	if err != nil {
		return s, err
	}
	n.halo.ResetLog()
	before, err := n.load(ctx)
	if err != nil {
		return s, err
	}
	workers, err := n.cpu()
	if err != nil {
		return s, err
	}
	began, own := time.Now(), usage()
	if err := begin(); err != nil {
		return s, err
	}
	if err := n.waitUntilDone(ctx, &s, timeout); err != nil {
		return s, err
	}
	s.wall, s.simulator, s.halo = time.Since(began), usage()-own, n.halo.Log().Tally
	if s.workers, err = n.cpu(); err != nil {
		return s, err
	}
	s.workers -= workers
	after, err := n.load(ctx)
	if err != nil {
		return s, err
	}
	s.load = after.minus(before)
	s.transactions, err = n.transactions(ctx)
	s.transactions -= transactions + float64(s.polls)
	return s, err
}

// transactions returns the number of transactions in the database. Sessions report their
// transactions with a delay, so this method waits until the number stops changing.
func (n *night) transactions(ctx context.Context) (count float64, err error) {
	for last := -1.0; ; last = count {
		err = n.admin.QueryRow(ctx, `select (xact_commit + xact_rollback)::float8 from pg_stat_database where datname = $1`, n.name).Scan(&count)
		if err != nil || count == last {
			return count, err
		}
		if err := wait(ctx, 1100*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

func (n *night) waitUntilDone(ctx context.Context, s *nightLoad, timeout time.Duration) error {
	for end := time.Now().Add(timeout); ; {
		waiting, err := n.rdb.LLen(ctx, "asynq:{resync}:pending").Result()
		if err != nil {
			return err
		}
		s.deepest = max(s.deepest, int(waiting))
		var left int
		err = n.conn.QueryRow(ctx, `
			select (select count(*) from halosync.runs where state in ('queued', 'running'))
				+ (select count(*) from halosync.connections c join public.slots s using (id) where c.next_resync_at = s.slot and s.slot < now() + interval '1 hour')`).Scan(&left)
		s.polls++
		switch {
		case err != nil:
			return err
		case left == 0:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%d runs and slots are left after %v", left, timeout)
		}
		if err := wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// delay is the time in seconds from a connection's slot to a step of its run.
type delay struct{ Median, P99, Max float64 }

// delayOf computes the delay for a column of runs and for the tenants that
// match a pattern.
func (n *night) delayOf(ctx context.Context, column, tenants string) (d delay, err error) {
	err = n.conn.QueryRow(ctx, `
		select coalesce(p[1], 0), coalesce(p[2], 0), coalesce(p[3], 0) from (
			select percentile_disc(array[0.5, 0.99, 1]) within group (order by extract(epoch from r.`+column+` - s.slot)::float8) as p
			from public.slots s join halosync.runs r on r.connection_id = s.id and r.queued_at >= s.slot
			where s.tenant like $1) delays`, tenants).Scan(&d.Median, &d.P99, &d.Max)
	return d, err
}

// outcome counts the outcomes of the slots.
type outcome struct{ Missed, Doubled, Failed, Refreshed int }

func (n *night) outcome(ctx context.Context) (t outcome, err error) {
	err = n.conn.QueryRow(ctx, `
		with kept as (
			select s.id, count(r.id) as runs, count(*) filter (where r.state <> 'succeeded') as failed, coalesce(sum(r.refreshed), 0) as refreshed
			from public.slots s left join halosync.runs r on r.connection_id = s.id and r.queued_at >= s.slot group by s.id)
		select count(*) filter (where runs = 0), count(*) filter (where runs > 1), sum(failed)::int, sum(refreshed)::int
		from kept`).Scan(&t.Missed, &t.Doubled, &t.Failed, &t.Refreshed)
	return t, err
}
