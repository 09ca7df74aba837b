package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"github.com/halosync/halosync/tasks"
)

// benchEnqueue is a request through tasks next to asynq's own, and the floor
// (d): asynq enqueues and works tasks that do nothing.
func benchEnqueue(ctx context.Context, s *stage, o options, r *report) error {
	for _, atOnce := range []int{1, 10} {
		n := 10_000 * min(atOnce, 3)
		order := []contender{
			{ours, func(ctx context.Context) (sample, error) { return s.enqueue(ctx, n, atOnce, openTasks) }},
			{rawAsynq, func(ctx context.Context) (sample, error) { return s.enqueue(ctx, n, atOnce, openAsynq) }},
			{uniqueAsynq, func(ctx context.Context) (sample, error) { return s.enqueue(ctx, n, atOnce, openUnique) }},
		}
		taken, err := compare(ctx, o.rounds, order...)
		if err != nil {
			return err
		}
		r.table(fmt.Sprintf("%d requests, %d at once", n, atOnce), order, taken)
		for _, c := range order {
			each := func(key string) float64 { return other(taken[c.name], key).median() / float64(n) }
			r.line("\n%s: %.0f a second; each %.0f µs of Redis' CPU, %.1f commands in Redis, those of scripts included.",
				c.name, float64(n)/walls(taken[c.name]).median(), each("redis")*1e6, each("commands"))
		}
		r.goals(atLeast(fmt.Sprintf("requests per second over raw asynq, %d at once", atOnce), 0.9,
			walls(taken[rawAsynq]).median()/walls(taken[ours]).median()))
		r.line("\nOver asynq's own way not to take a request twice: %.2f.", walls(taken[uniqueAsynq]).median()/walls(taken[ours]).median())
	}
	return s.benchNoOp(ctx, o, r)
}

const (
	rawAsynq    = "raw asynq"
	uniqueAsynq = "raw asynq with Unique"
)

// asker makes the i-th of many requests that differ.
type asker func(ctx context.Context, i int) error

// opener makes a way to ask, and its end.
type opener func(tasks.Address) (ask asker, closeAsker func() error)

// wanted is what the i-th request asks for. Both ways send the same bytes.
func wanted(i int) tasks.ImportArgs {
	return tasks.ImportArgs{Tenant: tenant, ConnectionID: connectionOfBench, Search: fmt.Sprintf("client %08d", i), RequestedBy: "bench"}
}

const connectionOfBench = "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6"

func openTasks(address tasks.Address) (asker, func() error) {
	c := tasks.NewClient(address)
	return func(ctx context.Context, i int) error {
		receipt, err := c.Import(ctx, wanted(i))
		if err == nil && receipt.Existing {
			err = errors.New("request taken for another one")
		}
		return err
	}, c.Close
}

// openAsynq is what a program without tasks would do that takes the same
// request as often as it comes.
func openAsynq(address tasks.Address) (asker, func() error) { return openPlain(address) }

// openUnique is the same with asynq's lock, for as long as our claim lives.
func openUnique(address tasks.Address) (asker, func() error) {
	return openPlain(address, asynq.Unique(7*24*time.Hour))
}

func openPlain(address tasks.Address, more ...asynq.Option) (asker, func() error) {
	rdb := address.Connect()
	c := asynq.NewClientFromRedisClient(rdb)
	kind := tasks.Import()
	return func(ctx context.Context, i int) error {
		payload, err := json.Marshal(wanted(i))
		if err != nil {
			return err
		}
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		_, err = c.EnqueueContext(ctx, asynq.NewTask(kind.Name, payload), append([]asynq.Option{
			asynq.TaskID(id.String()), asynq.Queue(tasks.QueueImport),
			asynq.MaxRetry(kind.MaxAttempts), asynq.Timeout(kind.Timeout), asynq.Retention(kind.Retention),
		}, more...)...)
		return err
	}, rdb.Close
}

// enqueue makes n requests into an empty Redis.
func (s *stage) enqueue(ctx context.Context, n, atOnce int, open opener) (took sample, err error) {
	address, err := s.emptyRedis(ctx)
	if err != nil {
		return took, err
	}
	ask, closeAsker := open(address)
	defer func() { err = errors.Join(err, closeAsker()) }()
	if err := askAll(ctx, -100, 100, atOnce, ask); err != nil { // connections, scripts
		return took, err
	}
	load, err := s.redisLoad(ctx)
	if err != nil {
		return took, err
	}
	before, began := usage(), time.Now()
	err = askAll(ctx, 0, n, atOnce, ask)
	took.Wall, took.CPU = time.Since(began), usage()-before
	if err != nil {
		return took, err
	}
	after, err := s.redisLoad(ctx)
	took.Other = map[string]float64{"redis": (after.cpu - load.cpu).Seconds(), "commands": float64(after.total() - load.total())}
	return took, err
}

// askAll makes the requests from first to first+n-1.
func askAll(ctx context.Context, first, n, atOnce int, ask asker) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range atOnce {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ask(ctx, first+i); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// emptyRedis throws away what Redis has, and says where it is.
func (s *stage) emptyRedis(ctx context.Context) (tasks.Address, error) {
	if err := s.rdb.FlushAll(ctx).Err(); err != nil {
		return tasks.Address{}, err
	}
	return tasks.ParseAddress(s.redis.URL())
}
