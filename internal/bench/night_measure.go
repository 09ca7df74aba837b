package main

import (
	"context"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// spell is what a span of time came to.
type spell struct {
	load
	wall, workers, simulator time.Duration // the latter two: CPU time
	halo                     halotest.Tally
	transactions             float64
	deepest                  int // runs that were waiting in the queue at once
	looked                   int // transactions of the measurement itself
}

// measured takes the load of what begin starts, until no run is under way and no
// connection that is due within the hour has its old slot.
func (n *night) measured(ctx context.Context, patience time.Duration, begin func() error) (s spell, err error) {
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
	if err := n.watch(ctx, &s, patience); err != nil {
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
	s.transactions -= transactions + float64(s.looked)
	return s, err
}

// transactions that the database has seen. Sessions tell theirs every now and
// then, so it is awaited that the number stands still.
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

// watch waits for the end of the work and looks at the queue meanwhile.
func (n *night) watch(ctx context.Context, s *spell, patience time.Duration) error {
	for end := time.Now().Add(patience); ; {
		waiting, err := n.rdb.LLen(ctx, "asynq:{resync}:pending").Result()
		if err != nil {
			return err
		}
		s.deepest = max(s.deepest, int(waiting))
		var left int
		err = n.conn.QueryRow(ctx, `
			select (select count(*) from halosync.runs where state in ('queued', 'running'))
				+ (select count(*) from halosync.connections c join public.slots s using (id) where c.next_resync_at = s.slot and s.slot < now() + interval '1 hour')`).Scan(&left)
		s.looked++
		switch {
		case err != nil:
			return err
		case left == 0:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%d runs and slots are left after %v", left, patience)
		}
		if err := wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// lateness is how long after its slot something happened, in seconds.
type lateness struct{ Median, Most99, Most float64 }

// late asks it of the scheduled runs since a time; what is a column of runs.
func (n *night) late(ctx context.Context, what, tenants string) (l lateness, err error) {
	err = n.conn.QueryRow(ctx, `
		select coalesce(p[1], 0), coalesce(p[2], 0), coalesce(p[3], 0) from (
			select percentile_disc(array[0.5, 0.99, 1]) within group (order by extract(epoch from r.`+what+` - s.slot)::float8) as p
			from public.slots s join halosync.runs r on r.connection_id = s.id and r.queued_at >= s.slot
			where s.tenant like $1) late`, tenants).Scan(&l.Median, &l.Most99, &l.Most)
	return l, err
}

// tallied counts how the slots were kept.
type tallied struct{ Missed, Doubled, Failed, Refreshed, Again int }

func (n *night) tally(ctx context.Context) (t tallied, err error) {
	err = n.conn.QueryRow(ctx, `
		with kept as (
			select s.id, count(r.id) as runs, count(*) filter (where r.state <> 'succeeded') as failed,
				coalesce(sum(r.refreshed), 0) as refreshed, count(*) filter (where r.attempt > 1) as again
			from public.slots s left join halosync.runs r on r.connection_id = s.id and r.queued_at >= s.slot group by s.id)
		select count(*) filter (where runs = 0), count(*) filter (where runs > 1), sum(failed)::int, sum(refreshed)::int, sum(again)::int
		from kept`).Scan(&t.Missed, &t.Doubled, &t.Failed, &t.Refreshed, &t.Again)
	return t, err
}
