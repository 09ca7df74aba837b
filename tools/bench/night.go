package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

const (
	nightWorkers = 4 // number of processes
	// nightPace is the time per connection: 10,000 connections in five hours,
	// compressed 60 times.
	nightPace  = 30 * time.Millisecond
	nightHours = 5 * time.Hour
	// nightTimeout bounds the time from the last slot to the end of all runs.
	nightTimeout = 5 * time.Minute
)

// night is one night of an installation.
type night struct {
	*database
	halo        *halotest.Halo
	connections int
	clients     int // clients per connection, all mapped
	// shared is the number of connections that read the same simulated Halo.
	// Even in the compressed night, Halo's default budget suffices for that
	// number.
	shared  int
	spread  time.Duration // period over which the slots are spread
	ahead   time.Duration // shifts the schedule out of the measurement
	workers []*worker
	renamed int // number of connections with a renamed client
}

// benchNight measures one scheduled resync of each of many connections, with
// several workers. Then it measures resyncs of connections with more clients.
func benchNight(ctx context.Context, b *bench, o options, r *report) error {
	small := &night{connections: max(o.clients/10, 40), clients: 200, shared: 20}
	err := small.install(ctx, b, r, func() error {
		if err := small.measureNight(ctx, r); err != nil {
			return err
		}
		return small.measureRush(ctx, r, max(small.connections/10, 40))
	})
	if err != nil {
		return err
	}
	large := &night{connections: max(o.clients/1000, 20), clients: 2000, shared: 2, ahead: 12 * time.Hour}
	return large.install(ctx, b, r, func() error { return large.measureRush(ctx, r, large.connections*8/10) })
}

// install calls f with a running installation and removes the installation
// afterwards.
func (n *night) install(ctx context.Context, b *bench, r *report, f func() error) (err error) {
	n.spread = time.Duration(n.connections) * nightPace
	if err := n.simulate(); err != nil {
		return err
	}
	defer n.halo.Close()
	if n.database, err = b.database(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stopWorkers(), n.drop(ctx)) }()
	for _, step := range []func(context.Context) error{n.seed, n.startWorkers, n.saveSlots} {
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

// startWorkers starts the workers and returns when they have planned a slot for
// each connection. The schedule begins within the next few minutes, on a whole minute.
func (n *night) startWorkers(ctx context.Context) error {
	planning := 20*time.Second + time.Duration(n.connections)*2*time.Millisecond
	begins := time.Now().UTC().Add(n.ahead + planning).Truncate(time.Minute).Add(time.Minute)
	for range nightWorkers {
		w, err := n.startWorker(ctx, fmt.Sprintf("HALOSYNC_RESYNC_CRON=%d %d * * *", begins.Minute(), begins.Hour()),
			"HALOSYNC_RESYNC_SPREAD="+n.spread.String(), "HALOSYNC_RATE_LIMIT=700/5m")
		if err != nil {
			return err
		}
		n.workers = append(n.workers, w)
	}
	for {
		var left int
		if err := n.conn.QueryRow(ctx, `select count(*) from halosync.connections where next_resync_at is null`).Scan(&left); err != nil || left == 0 {
			return err
		}
		if time.Now().After(begins) {
			return fmt.Errorf("schedule not planned in time: %d connections are left", left)
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// saveSlots copies the slots, because a worker replaces a slot when it starts
// the resync.
func (n *night) saveSlots(ctx context.Context) error {
	if _, err := n.conn.Exec(ctx, `
		create table public.slots as select id, tenant, next_resync_at as slot from halosync.connections;
		alter table public.slots add primary key (id);
		analyze public.slots`); err != nil {
		return err
	}
	return n.exec(ctx, "checkpoint") // in production, this happens every few minutes
}

// cpu returns the CPU time that the workers have used.
func (n *night) cpu() (sum time.Duration, err error) {
	for _, w := range n.workers {
		used, err := cpuOf(w.cmd.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("%w; the worker's log: %s", err, &w.log)
		}
		sum += used
	}
	return sum, nil
}

// peak returns the peak memory of the largest worker, in bytes.
func (n *night) peak() (largest int64, err error) {
	for _, w := range n.workers {
		p, err := peakOf(w.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		largest = max(largest, p)
	}
	return largest, nil
}

func (n *night) stopWorkers() error {
	var errs []error
	for _, w := range n.workers {
		errs = append(errs, w.stop())
	}
	n.workers = nil
	return errors.Join(errs...)
}
