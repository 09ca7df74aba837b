package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// reportSizes reports the size of the installation's rows.
func (n *night) reportSizes(ctx context.Context, r *report) error {
	r.line("\n### %d connections with %d clients each, all mapped\n", n.connections, n.clients)
	r.line("| table | rows | bytes per row, including indexes |\n|---|---|---|")
	for _, table := range strings.Fields("connections companies clients mappings runs events") {
		var rows int
		var bytes float64
		if err := n.conn.QueryRow(ctx, fmt.Sprintf(`select count(*), pg_total_relation_size('halosync.%[1]s')::float8 from halosync.%[1]s`, table)).
			Scan(&rows, &bytes); err != nil {
			return err
		}
		r.line("| %s | %d | %.0f |", table, rows, bytes/float64(max(rows, 1)))
	}
	return nil
}

// measureNight measures the scheduled resyncs.
func (n *night) measureNight(ctx context.Context, r *report) error {
	var first time.Time
	if err := n.conn.QueryRow(ctx, `select min(slot) from public.slots`).Scan(&first); err != nil {
		return err
	}
	if err := wait(ctx, time.Until(first.Add(-4*time.Second))); err != nil {
		return err
	}
	n.renameSome()
	s, err := n.measured(ctx, n.spread+nightTimeout, func() error { return wait(ctx, time.Until(first)) })
	if err != nil {
		return err
	}
	t, err := n.outcome(ctx)
	if err != nil {
		return err
	}
	r.line("\n### One night: %d scheduled resyncs, %d workers\n", n.connections, nightWorkers)
	r.line("The slots are spread over %v, at %.0f a second. This corresponds to the same number of connections in five hours, compressed %.0f times,"+
		" or to %.0f connections in the default hour.",
		n.spread, 1/nightPace.Seconds(), nightHours.Seconds()/n.spread.Seconds(), time.Hour.Seconds()/nightPace.Seconds())
	r.line("A tenth of the connections belong to tenants with up to %d connections. Each of the other connections has its own tenant. %d connections"+
		" share a simulated Halo with %d clients and its default budget. %d have one renamed client, and all others are unchanged.\n",
		nightLarge, n.shared, n.clients, n.renamed)
	if err := n.reportDelays(ctx, r); err != nil {
		return err
	}
	if err := n.reportLoad(ctx, r, s, n.connections); err != nil {
		return err
	}
	started, err := n.delayOf(ctx, "started_at", "%")
	if err != nil {
		return err
	}
	r.goals(
		maxGoal("slots without a resync", 0, float64(t.Missed)),
		maxGoal("slots with more than one", 0, float64(t.Doubled)),
		maxGoal("resyncs that did not succeed", 0, float64(t.Failed)),
		maxGoal("renamed clients that were not noticed exactly once", 0, math.Abs(float64(t.Refreshed-n.renamed))),
		maxGoal("answers 429", 0, float64(s.halo.Statuses[429])),
		maxGoal("seconds from slot to start, 99th percentile", 15, started.P99),
	)
	return nil
}

// reportDelays reports when the steps of the runs happened.
func (n *night) reportDelays(ctx context.Context, r *report) error {
	r.line("| seconds after the slot | median | 99 %% | max |\n|---|---|---|---|")
	for _, row := range []struct{ what, column, tenants string }{
		{"run written", "queued_at", "%"}, {"started", "started_at", "%"}, {"verified", "finished_at", "%"},
		{"verified, tenants of many connections", "finished_at", "large-%"},
	} {
		d, err := n.delayOf(ctx, row.column, row.tenants)
		if err != nil {
			return err
		}
		r.line("| %s | %.2f | %.2f | %.2f |", row.what, d.Median, d.P99, d.Max)
	}
	return nil
}

// reportLoad reports the cost of the resyncs.
func (n *night) reportLoad(ctx context.Context, r *report, s nightLoad, resyncs int) error {
	peak, err := n.peak()
	if err != nil {
		return err
	}
	result, err := n.resultBytes(ctx)
	if err != nil {
		return err
	}
	r.line("\n| what | per resync | in total |\n|---|---|---|")
	row := func(what, format string, total float64) {
		r.line("| %s | "+format+" | "+format+" |", what, total/float64(resyncs), total)
	}
	row("requests to Halo, including tokens", "%.2f", float64(s.halo.Requests))
	row("of those for tokens", "%.2f", float64(s.halo.Tokens))
	row("kB from Halo", "%.1f", float64(s.halo.Bytes)/1e3)
	row("SQL transactions", "%.1f", s.transactions)
	row("kB of WAL", "%.1f", s.wal/1e3)
	row("Redis commands, including those in scripts", "%.1f", s.commands)
	row("of those scripts", "%.1f", s.scripts)
	row("kB that finished tasks occupy in Redis for a day", "%.2f", result/1e3*float64(resyncs))
	row("CPU ms of the workers", "%.2f", s.workers.Seconds()*1e3)
	row("CPU ms of Postgres", "%.2f", s.postgres.Seconds()*1e3)
	row("CPU ms of Redis", "%.2f", s.redis.Seconds()*1e3)
	r.line("\nIt took %.0f s. At most %d runs waited in the queue. The largest worker used %.0f MB. The simulator used %.2f ms of CPU per resync.",
		s.wall.Seconds(), s.deepest, float64(peak)/1e6, s.simulator.Seconds()*1e3/float64(resyncs))
	return nil
}

// measureRush makes some of the connections due at the same time, as after an
// outage, and measures the rate of resyncs.
func (n *night) measureRush(ctx context.Context, r *report, count int) error {
	s, err := n.measured(ctx, nightTimeout, func() error {
		_, err := n.conn.Exec(ctx, `
			with chosen as (select id from public.slots where tenant like 'small-%' order by id desc limit $1),
			due as (update halosync.connections c set next_resync_at = now() from chosen where c.id = chosen.id returning c.id, c.next_resync_at)
			update public.slots s set slot = due.next_resync_at from due where due.id = s.id`, count)
		return err
	})
	if err != nil {
		return err
	}
	var began, seconds float64
	if err := n.conn.QueryRow(ctx, `
		select extract(epoch from min(r.queued_at) - max(s.slot))::float8, extract(epoch from max(r.finished_at) - min(r.queued_at))::float8
		from public.slots s join halosync.runs r on r.connection_id = s.id and r.queued_at >= s.slot
		where s.slot = (select max(slot) from public.slots where slot <= now())`).Scan(&began, &seconds); err != nil {
		return err
	}
	r.line("\n### All at once, as after an outage: %d resyncs of tenants with one connection, %d clients each\n", count, n.clients)
	r.line("%.1f resyncs a second, measured from the creation of the first run's row (%.1f s after the slot) to the last run's end. Everything, including the simulator, runs on this machine.",
		float64(count)/seconds, began)
	return n.reportLoad(ctx, r, s, count)
}
