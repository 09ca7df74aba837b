package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/tasks"
)

const (
	rawAsynq    = "raw asynq"
	uniqueAsynq = "raw asynq with Unique"
	sqlFunction = "halosync.enqueue"
	plainInsert = "plain insert"
)

// enqueuer enqueues the i-th of many different requests.
type enqueuer func(ctx context.Context, i int) error

// opener returns a function that enqueues requests and a function that closes the
// underlying client.
type opener func(tasks.Address) (enqueue enqueuer, closeIt func() error)

// benchEnqueue compares requests through tasks with plain asynq.
func benchEnqueue(ctx context.Context, b *bench, o options, r *report) error {
	for _, callers := range []int{1, 10} {
		n := 10_000 * min(callers, 3)
		order := []contender{
			{ours, func(ctx context.Context) (sample, error) { return b.enqueue(ctx, n, callers, openTasks) }},
			{rawAsynq, func(ctx context.Context) (sample, error) { return b.enqueue(ctx, n, callers, openAsynq()) }},
			// The uniqueness lasts as long as the deduplication in tasks.
			{uniqueAsynq, func(ctx context.Context) (sample, error) {
				return b.enqueue(ctx, n, callers, openAsynq(asynq.Unique(7*24*time.Hour)))
			}},
		}
		taken, err := compare(ctx, o.rounds, order...)
		if err != nil {
			return err
		}
		r.table(fmt.Sprintf("%d requests, %d at a time", n, callers), order, taken)
		for _, c := range order {
			each := func(key string) float64 { return other(taken[c.name], key).median() / float64(n) }
			r.line("\n%s: %.0f a second; each %.0f µs of Redis' CPU and %.1f commands in Redis, including those in scripts.",
				c.name, float64(n)/walls(taken[c.name]).median(), each("redis")*1e6, each("commands"))
		}
		r.goals(minGoal(fmt.Sprintf("requests per second divided by those of raw asynq, %d at the same time", callers), 0.9,
			walls(taken[rawAsynq]).median()/walls(taken[ours]).median()))
		r.line("\nRatio to raw asynq with Unique, which also deduplicates: %.2f.", walls(taken[uniqueAsynq]).median()/walls(taken[ours]).median())
	}
	return nil
}

// request returns the arguments of the i-th request. All contenders send the
// same bytes.
func request(i int) tasks.ImportArgs {
	const connection = "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6"
	return tasks.ImportArgs{Tenant: tenant, ConnectionID: connection, Search: fmt.Sprintf("client %08d", i), RequestedBy: "bench"}
}

func openTasks(address tasks.Address) (enqueuer, func() error) {
	c := tasks.NewClient(address)
	return func(ctx context.Context, i int) error {
		receipt, err := c.Import(ctx, request(i))
		if err == nil && receipt.Existing {
			err = errors.New("the request was treated as another one")
		}
		return err
	}, c.Close
}

func openAsynq(more ...asynq.Option) opener {
	return func(address tasks.Address) (enqueuer, func() error) {
		rdb := address.Connect()
		c := asynq.NewClientFromRedisClient(rdb)
		kind := tasks.Import()
		return func(ctx context.Context, i int) error {
			payload, err := json.Marshal(request(i))
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
}

// enqueue measures n requests into an empty Redis.
func (b *bench) enqueue(ctx context.Context, n, callers int, open opener) (took sample, err error) {
	if err := b.rdb.FlushAll(ctx).Err(); err != nil {
		return took, err
	}
	address, err := tasks.ParseAddress(b.redis.URL())
	if err != nil {
		return took, err
	}
	enqueue, closeIt := open(address)
	defer func() { err = errors.Join(err, closeIt()) }()
	warmUp := func(ctx context.Context, i int) error { return enqueue(ctx, -1-i) } // opens connections and loads scripts
	if err := each(ctx, 100, callers, warmUp); err != nil {
		return took, err
	}
	load, err := b.redisLoad(ctx)
	if err != nil {
		return took, err
	}
	before, began := usage(), time.Now()
	err = each(ctx, n, callers, enqueue)
	took.Wall, took.CPU = time.Since(began), usage()-before
	if err != nil {
		return took, err
	}
	after, err := b.redisLoad(ctx)
	took.Other = map[string]float64{"redis": (after.cpu - load.cpu).Seconds(), "commands": float64(after.total() - load.total())}
	return took, err
}

// equalTable is a copy of the table of runs. "including all" omits the foreign
// key.
const equalTable = `
create table public.equal_runs (like halosync.runs including all);
alter table public.equal_runs add foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade`

// Both statements make the same request. The number $1 makes each request's search text
// different.
const (
	functionSQL = `select halosync.enqueue('import', $2, $3::uuid, jsonb_build_object('search', 'client ' || $1::int), 'bench')`
	insertSQL   = `
		insert into public.equal_runs (id, tenant, connection_id, kind, args, request_key, requested_by)
		select gen_random_uuid(), $2, $3::uuid, 'import', a, 'sql:' || encode(sha256(convert_to(a::text, 'UTF8')), 'hex'), 'bench'
		from (select jsonb_build_object('tenant', $2::text, 'connection_id', $3::text, 'search', 'client ' || $1::int, 'requested_by', 'bench') a) as asked
		returning id`
)

// benchSQLEnqueue compares requests in SQL with inserts of the same rows into an identical
// table, each in its own transaction.
func benchSQLEnqueue(ctx context.Context, b *bench, o options, r *report) error {
	h, err := newHalo(1, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	for _, sessions := range []int{1, 4} {
		n := 1_000 * sessions
		way := func(sql string) func(context.Context) (sample, error) {
			return func(ctx context.Context) (sample, error) { return b.sqlEnqueue(ctx, h, n, sessions, sql) }
		}
		order := []contender{{sqlFunction, way(functionSQL)}, {plainInsert, way(insertSQL)}}
		taken, err := compare(ctx, o.rounds, order...)
		if err != nil {
			return err
		}
		r.table(fmt.Sprintf("%d requests in SQL, sessions: %d", n, sessions), order, taken)
		for _, c := range order {
			r.line("\n%s: %.0f a second.", c.name, float64(n)/walls(taken[c.name]).median())
		}
		r.goals(minGoal(fmt.Sprintf("requests per second in SQL divided by those of plain inserts, sessions: %d", sessions), 0.5,
			walls(taken[plainInsert]).median()/walls(taken[sqlFunction]).median()))
	}
	return nil
}

// sqlEnqueue measures n executions of the statement.
func (b *bench) sqlEnqueue(ctx context.Context, h *halotest.Halo, n, sessions int, sql string) (took sample, err error) {
	err = b.withDatabase(ctx, h, func(d *database, connection string) error {
		if _, err := d.conn.Exec(ctx, equalTable); err != nil {
			return err
		}
		pool, err := pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", b.postgres.DatabaseURL(d.name), sessions))
		if err != nil {
			return err
		}
		defer pool.Close()
		began := time.Now()
		err = each(ctx, n, sessions, func(ctx context.Context, i int) error {
			var id string
			return pool.QueryRow(ctx, sql, i, tenant, connection).Scan(&id)
		})
		took.Wall = time.Since(began)
		return err
	})
	return took, err
}
