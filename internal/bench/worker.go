package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/halosync/halosync/tasks"
)

// worker is a running bin/worker.
type worker struct {
	cmd    *exec.Cmd
	exited chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// startWorker returns when the worker takes work. Settings go over those of the
// stage.
func (d *database) startWorker(ctx context.Context, settings ...string) (*worker, error) {
	w := &worker{cmd: d.program(context.WithoutCancel(ctx), d.name, "worker"), exited: make(chan struct{})}
	w.cmd.Env = append(w.cmd.Env, settings...)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us, who stop it in an orderly way
	output, in := io.Pipe()
	w.cmd.Stdout, w.cmd.Stderr = in, in
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	started := make(chan struct{})
	go w.read(output, started)
	go func() {
		_ = w.cmd.Wait() // how it ended is in its log
		_ = in.Close()
		close(w.exited)
	}()
	select {
	case <-started:
		return w, nil
	case <-w.exited:
		return nil, fmt.Errorf("worker ended: %s", w.logged())
	case <-time.After(30 * time.Second):
		return nil, errors.Join(fmt.Errorf("worker does not start: %s", w.logged()), w.stop())
	}
}

// read keeps the log and tells when the worker has started.
func (w *worker) read(output io.Reader, started chan<- struct{}) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte(`"worker started"`)) {
			close(started)
		}
		w.mu.Lock()
		w.log.Write(lines.Bytes())
		w.log.WriteByte('\n')
		w.mu.Unlock()
	}
}

func (w *worker) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// stop ends the worker in an orderly way.
func (w *worker) stop() error {
	_ = w.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-w.exited:
		return nil
	case <-time.After(25 * time.Second):
		return errors.Join(errors.New("worker did not stop"), w.cmd.Process.Kill())
	}
}

// measured is the worker's share in what f does.
func (w *worker) measured(f func() (time.Duration, error)) (s sample, err error) {
	before, err := cpuOf(w.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	if s.Wall, err = f(); err != nil {
		return s, fmt.Errorf("%w; the worker's log: %s", err, w.logged())
	}
	after, err := cpuOf(w.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	s.CPU = after - before
	s.Peak, err = peakOf(w.cmd.Process.Pid)
	return s, err
}

// byWorker is the share of a fresh worker in what f does. Afterwards the worker
// has ended.
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

// importAll asks for an import of everything, as the product does, and returns
// the time from then to the end of the run in the ledger.
func (d *database) importAll(ctx context.Context, connection string) (time.Duration, error) {
	return d.ask(ctx, func(c *tasks.Client) (tasks.Receipt, error) {
		return c.Import(ctx, tasks.ImportArgs{Tenant: tenant, ConnectionID: connection, All: true})
	})
}

// ask makes a request and waits until its run has succeeded.
func (d *database) ask(ctx context.Context, request func(*tasks.Client) (tasks.Receipt, error)) (took time.Duration, err error) {
	queue, err := tasks.Open(d.redis.URL())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	if err := queue.Ping(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	receipt, err := request(queue)
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
