package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"github.com/halosync/halosync/tasks"
)

// noOpAtOnce is how many tasks are asked for, and worked, at once.
const noOpAtOnce = 10

// benchNoOp is floor (d), asynq's tasks asked for and worked with handlers that
// do nothing, and the same through tasks. It has no goal: real tasks take
// seconds.
func (s *stage) benchNoOp(ctx context.Context, o options, r *report) error {
	const n = 4_000
	order := []contender{
		{"tasks", func(ctx context.Context) (sample, error) { return s.noOp(ctx, n, openTasks, serveTasks) }},
		{"(d) " + rawAsynq, func(ctx context.Context) (sample, error) { return s.noOp(ctx, n, openAsynq, serveAsynq) }},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err != nil {
		return err
	}
	r.table(fmt.Sprintf("%d tasks that do nothing, asked for and worked, %d at once each", n, noOpAtOnce), order, taken)
	r.perSecond(n, order, taken)
	return nil
}

// server calls done at the end of each task, until stop.
type server func(address tasks.Address, done func()) (stop func(context.Context) error, err error)

// noOp asks for n tasks while they are worked.
func (s *stage) noOp(ctx context.Context, n int, open opener, serve server) (took sample, err error) {
	address, err := s.emptyRedis(ctx)
	if err != nil {
		return took, err
	}
	ask, closeAsker := open(address)
	defer func() { err = errors.Join(err, closeAsker()) }()
	var worked atomic.Int64
	finished := make(chan struct{})
	stop, err := serve(address, func() {
		if worked.Add(1) == int64(n) {
			close(finished)
		}
	})
	if err != nil {
		return took, err
	}
	defer func() { err = errors.Join(err, stop(ctx)) }()
	before, began := usage(), time.Now()
	if err := askAll(ctx, 0, n, noOpAtOnce, ask); err != nil {
		return took, err
	}
	select {
	case <-finished:
	case <-ctx.Done():
		return took, ctx.Err()
	}
	took.Wall, took.CPU = time.Since(began), usage()-before
	return took, nil
}

func serveTasks(address tasks.Address, done func()) (func(context.Context) error, error) {
	s, err := tasks.NewServer(tasks.ServerConfig{Redis: address, Concurrency: noOpAtOnce})
	if err != nil {
		return nil, err
	}
	tasks.Handle(s, tasks.Import(), func(_ context.Context, job tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
		done()
		return tasks.RunResult{RunID: job.RunID, State: "succeeded"}, nil
	})
	return s.Shutdown, s.Start()
}

func serveAsynq(address tasks.Address, done func()) (func(context.Context) error, error) {
	rdb := address.Connect()
	s := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: noOpAtOnce, Queues: map[string]int{tasks.QueueImport: 1}, LogLevel: asynq.ErrorLevel,
		TaskCheckInterval: 200 * time.Millisecond, // as tasks has it
	})
	err := s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		done()
		return nil
	}))
	return func(context.Context) error {
		s.Shutdown()
		return rdb.Close()
	}, err
}
