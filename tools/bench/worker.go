package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/tasks"
)

// worker is a running bin/worker.
type worker struct {
	cmd    *exec.Cmd
	exited chan struct{}
	log    devstack.Output
}

// startWorker starts a worker and returns when it processes tasks. The given
// settings override those in the environment.
func (d *database) startWorker(ctx context.Context, settings ...string) (*worker, error) {
	w := &worker{cmd: d.program(context.WithoutCancel(ctx), d.name, "worker"), exited: make(chan struct{})}
	w.cmd.Env = append(w.cmd.Env, settings...)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches only this process, which stops the worker
	w.cmd.Stdout, w.cmd.Stderr = &w.log, &w.log
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = w.cmd.Wait() // the log shows the reason
		close(w.exited)
	}()
	for range 3000 {
		if strings.Contains(w.log.String(), `"worker started"`) {
			return w, nil
		}
		select {
		case <-w.exited:
			return nil, fmt.Errorf("worker ended: %s", &w.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil, errors.Join(fmt.Errorf("worker did not start within 30 s: %s", &w.log), w.stop())
}

// stop shuts the worker down.
func (w *worker) stop() error {
	_ = w.cmd.Process.Signal(syscall.SIGTERM) // the worker may already have ended
	select {
	case <-w.exited:
		return nil
	case <-time.After(25 * time.Second):
		return errors.Join(errors.New("worker did not stop"), w.cmd.Process.Kill())
	}
}

// measured returns the wall time that f reports and the resources that the
// worker used while f ran.
func (w *worker) measured(f func() (time.Duration, error)) (s sample, err error) {
	before, err := cpuOf(w.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	if s.Wall, err = f(); err != nil {
		return s, fmt.Errorf("%w; the worker's log: %s", err, &w.log)
	}
	after, err := cpuOf(w.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	s.CPU = after - before
	s.Peak, err = peakOf(w.cmd.Process.Pid)
	return s, err
}

// byWorker measures f with a new worker and then stops the worker.
func (d *database) byWorker(ctx context.Context, f func() (time.Duration, error), settings ...string) (sample, error) {
	w, err := d.startWorker(ctx, settings...)
	if err != nil {
		return sample{}, err
	}
	var took sample
	used, err := d.postgresCPU(func() (err error) {
		took, err = w.measured(f)
		return err
	})
	took.DB = used
	return took, errors.Join(err, w.stop())
}

// importAll requests an import of all clients, as the product does. It returns
// the time until the ledger shows the end of the run.
func (d *database) importAll(ctx context.Context, connection string) (time.Duration, error) {
	return d.request(ctx, func(c *tasks.Client) (tasks.Receipt, error) {
		return c.Import(ctx, tasks.ImportArgs{Tenant: tenant, ConnectionID: connection, All: true})
	})
}

// resyncAll is like importAll, for a resync.
func (d *database) resyncAll(ctx context.Context, connection string) (time.Duration, error) {
	return d.request(ctx, func(c *tasks.Client) (tasks.Receipt, error) {
		return c.Resync(ctx, tasks.ResyncArgs{Tenant: tenant, ConnectionID: connection})
	})
}

// request enqueues a run and waits until it has succeeded.
func (d *database) request(ctx context.Context, enqueue func(*tasks.Client) (tasks.Receipt, error)) (took time.Duration, err error) {
	queue, err := tasks.Open(d.redis.URL())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	if err := queue.Ping(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	receipt, err := enqueue(queue)
	if err != nil {
		return 0, err
	}
	for {
		var state, reason string
		var ended *time.Time
		err := d.conn.QueryRow(ctx, `select coalesce(max(state), ''), coalesce(max(error), ''), max(finished_at) from halosync.runs where id = $1::uuid`, receipt.RunID).
			Scan(&state, &reason, &ended)
		switch {
		case err != nil:
			return 0, err
		case ended != nil && state == "succeeded":
			return ended.Sub(began), nil
		case ended != nil:
			return 0, fmt.Errorf("run ended %s: %s", state, reason)
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
