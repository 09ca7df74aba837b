package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// The rivals write only the catalogue of clients, while an import writes four
// tables. They run as the owner of the tables, so row-level security does not
// apply to them.

const updateSQL = `
	on conflict (connection_id, client_id) do update
	set name = excluded.name, inactive = excluded.inactive, toplevel_id = excluded.toplevel_id, toplevel_name = excluded.toplevel_name`

// rowsRival reads page by page and writes row by row, with one transaction per
// page.
func rowsRival(ctx context.Context, j *job) (func() error, error) {
	conn, err := pgx.Connect(ctx, j.Database)
	if err != nil {
		return nil, err
	}
	return func() error {
		for n := 1; n <= j.Pages; n++ {
			l, err := j.page(ctx, n)
			if err != nil {
				return err
			}
			if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return j.writeRows(ctx, tx, l) }); err != nil {
				return err
			}
		}
		return conn.Close(ctx)
	}, nil
}

func (j *job) writeRows(ctx context.Context, tx pgx.Tx, l listing) error {
	for _, c := range l.Clients {
		_, err := tx.Exec(ctx, `
			insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
			values ($1, $2, $3, $4, $5, nullif($6::bigint, 0), nullif($7::text, ''))`+updateSQL,
			tenant, j.Connection, c.ID, c.Name, c.Inactive, c.TopLevelID, c.TopLevelName)
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	rivalTask        = "page"
	rivalConcurrency = 10 // as in asynq's examples
)

// tasksRival enqueues one asynq task for each page and writes each page with one
// statement.
func tasksRival(ctx context.Context, j *job) (func() error, error) {
	pool, err := pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", j.Database, rivalConcurrency))
	if err != nil {
		return nil, err
	}
	opts, err := redis.ParseURL(j.Redis)
	if err != nil {
		return nil, err
	}
	rdb := redis.NewClient(opts)
	results := make(chan error, j.Pages)
	handler := asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		var n int
		err := json.Unmarshal(t.Payload(), &n)
		if err == nil {
			err = j.writePage(ctx, pool, n)
		}
		results <- err
		return err
	})
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: rivalConcurrency, LogLevel: asynq.ErrorLevel})
	if err := server.Start(handler); err != nil {
		return nil, err
	}
	client := asynq.NewClientFromRedisClient(rdb)
	return func() error {
		for n := 1; n <= j.Pages; n++ {
			payload, err := json.Marshal(n)
			if err != nil {
				return err
			}
			if _, err := client.EnqueueContext(ctx, asynq.NewTask(rivalTask, payload)); err != nil {
				return err
			}
		}
		for range j.Pages {
			if err := <-results; err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func (j *job) writePage(ctx context.Context, pool *pgxpool.Pool, n int) error {
	l, err := j.page(ctx, n)
	if err != nil {
		return err
	}
	var (
		ids, tops       []int64
		names, topNames []string
		inactive        []bool
	)
	for _, c := range l.Clients {
		ids, names, inactive = append(ids, c.ID), append(names, c.Name), append(inactive, c.Inactive)
		tops, topNames = append(tops, c.TopLevelID), append(topNames, c.TopLevelName)
	}
	_, err = pool.Exec(ctx, `
		insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
		select $1, $2, id, name, inactive, nullif(top_id, 0), nullif(top_name, '')
		from unnest($3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[]) as u(id, name, inactive, top_id, top_name)`+updateSQL,
		tenant, j.Connection, ids, names, inactive, tops, topNames)
	return err
}
