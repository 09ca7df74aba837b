package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

const (
	// nightWorkers is how many worker processes there are.
	nightWorkers = 4
	// nightPace is the time for each connection: 10,000 of them in five hours,
	// or 100,000 in fifty, compressed 60 times.
	nightPace  = 30 * time.Millisecond
	nightHours = 5 * time.Hour
	// nightPatience is how long after the last slot runs may still be under way.
	nightPatience = 5 * time.Minute
)

// night is one night of an installation.
type night struct {
	*database
	halo        *halotest.Halo
	connections int
	clients     int // of each connection, all mapped
	// shared is how many connections read one simulated Halo: so few that Halo's
	// default budget is enough for them although the night is compressed.
	shared  int
	spread  time.Duration // of the slots
	ahead   time.Duration // of the schedule, if it is not to be waited for
	workers []*worker
	renamed int // connections that have a client with another name than last night
}

// benchNight is one resync of each of many connections, by several workers and
// the schedule, and what they cost; then of connections with more clients.
func benchNight(ctx context.Context, s *stage, o options, r *report) error {
	small := &night{connections: max(o.clients/10, 40), clients: 200, shared: 20}
	err := small.over(ctx, s, func() error {
		if err := small.measureNight(ctx, r); err != nil {
			return err
		}
		return small.measureRush(ctx, r, max(small.connections/10, 40))
	}, r)
	if err != nil {
		return err
	}
	large := &night{connections: max(o.clients/1000, 20), clients: 2000, shared: 2, ahead: 12 * time.Hour}
	return large.over(ctx, s, func() error { return large.measureRush(ctx, r, large.connections*8/10) }, r)
}

// over makes the installation for as long as f runs.
func (n *night) over(ctx context.Context, s *stage, f func() error, r *report) (err error) {
	n.spread = time.Duration(n.connections) * nightPace
	if err := n.simulate(); err != nil {
		return err
	}
	defer n.halo.Close()
	if n.database, err = s.database(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.end(), n.drop(ctx)) }()
	for _, step := range []func(context.Context) error{n.install, n.startWorkers, n.noteSlots} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := n.reportSizes(ctx, r); err != nil {
		return err
	}
	return f()
}

// renameSome renames one client in every tenth simulated Halo.
func (n *night) renameSome() {
	for i := 0; i < n.connections; i += 10 * n.shared {
		t := n.halo.Tenant(n.haloOf(i))
		t.Rename(t.IDs()[n.clients/2], "Renamed during the day")
		n.renamed += min(n.shared, n.connections-i)
	}
}

// startWorkers starts the workers and returns when they have planned each
// connection's slot. The schedule's time is the start of one of the next minutes.
func (n *night) startWorkers(ctx context.Context) error {
	reserve := 20*time.Second + time.Duration(n.connections)*2*time.Millisecond // to plan
	begins := time.Now().UTC().Add(n.ahead + reserve).Truncate(time.Minute).Add(time.Minute)
	for range nightWorkers {
		w, err := n.startWorker(ctx, fmt.Sprintf("HALOSYNC_RESYNC_CRON=%d %d * * *", begins.Minute(), begins.Hour()),
			"HALOSYNC_RESYNC_SPREAD="+n.spread.String(), "HALOSYNC_RATE_LIMIT=700/5m")
		if err != nil {
			return err
		}
		n.workers = append(n.workers, w)
	}
	err := n.until(ctx, time.Until(begins), `select count(*) from halosync.connections where next_resync_at is null`)
	if err != nil {
		return fmt.Errorf("schedule not planned in time: %w", err)
	}
	return nil
}

// noteSlots keeps the slots, which are planned anew as they come.
func (n *night) noteSlots(ctx context.Context) error {
	if _, err := n.conn.Exec(ctx, `
		create table public.slots as select id, tenant, next_resync_at as slot from halosync.connections;
		alter table public.slots add primary key (id);
		analyze public.slots`); err != nil {
		return err
	}
	return n.exec(ctx, "checkpoint") // as there is one every few minutes in the field
}

// until waits for a count to become 0.
func (n *night) until(ctx context.Context, patience time.Duration, sql string, args ...any) error {
	for end := time.Now().Add(patience); ; {
		var left int
		if err := n.conn.QueryRow(ctx, sql, args...).Scan(&left); err != nil || left == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d are left after %v", left, patience)
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// cpu is what the workers have used so far.
func (n *night) cpu() (sum time.Duration, err error) {
	for _, w := range n.workers {
		used, err := cpuOf(w.cmd.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("%w; the worker's log: %s", err, w.logged())
		}
		sum += used
	}
	return sum, nil
}

// peak is the most memory that one of the workers has held.
func (n *night) peak() (most int64, err error) {
	for _, w := range n.workers {
		p, err := peakOf(w.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		most = max(most, p)
	}
	return most, nil
}

// end stops the workers.
func (n *night) end() error {
	var errs []error
	for _, w := range n.workers {
		errs = append(errs, w.stop())
	}
	n.workers = nil
	return errors.Join(errs...)
}
