package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// The rivals write the catalogue alone, one table of the four that an import
// writes, as the tables' owner, whom no row level security holds.

// rowsRival reads page by page and writes row by row, a transaction a page.
func rowsRival(ctx context.Context, p *plain) (func() error, error) {
	conn, err := pgx.Connect(ctx, p.Database)
	if err != nil {
		return nil, err
	}
	return func() error {
		for n := 1; n <= p.Pages; n++ {
			err := p.page(ctx, n, func(body io.Reader) error { return p.writeRows(ctx, conn, body) })
			if err != nil {
				return err
			}
		}
		return conn.Close(ctx)
	}, nil
}

func (p *plain) writeRows(ctx context.Context, conn *pgx.Conn, body io.Reader) error {
	l, err := decode(body)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, c := range l.Clients {
			_, err := tx.Exec(ctx, `
				insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
				values ($1, $2, $3, $4, $5, nullif($6::bigint, 0), nullif($7::text, ''))
				on conflict (connection_id, client_id) do update
				set name = excluded.name, inactive = excluded.inactive, toplevel_id = excluded.toplevel_id, toplevel_name = excluded.toplevel_name`,
				tenant, p.Conn, c.ID, c.Name, c.Inactive, c.TopLevelID, c.TopLevelName)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// rivalPage is the task of the second rival.
const rivalPage = "page"

// rivalTasksAtOnce is what a person would choose, after asynq's own examples.
const rivalTasksAtOnce = 10

// tasksRival enqueues one asynq task for each page, and writes each page with
// one statement.
func tasksRival(ctx context.Context, p *plain) (func() error, error) {
	pool, err := pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", p.Database, rivalTasksAtOnce))
	if err != nil {
		return nil, err
	}
	opts, err := redis.ParseURL(p.Redis)
	if err != nil {
		return nil, err
	}
	rdb := redis.NewClient(opts)
	var done atomic.Int64
	var once sync.Once
	finished := make(chan error, 1)
	end := func(err error) { once.Do(func() { finished <- err }) }
	mux := asynq.NewServeMux()
	mux.HandleFunc(rivalPage, func(ctx context.Context, t *asynq.Task) error {
		var n int
		err := json.Unmarshal(t.Payload(), &n)
		if err == nil {
			err = p.page(ctx, n, func(body io.Reader) error { return p.writePage(ctx, pool, body) })
		}
		if err != nil {
			end(err)
			return err
		}
		if done.Add(1) == int64(p.Pages) {
			end(nil)
		}
		return nil
	})
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: rivalTasksAtOnce, LogLevel: asynq.ErrorLevel})
	client := asynq.NewClientFromRedisClient(rdb)
	if err := server.Start(mux); err != nil {
		return nil, err
	}
	return func() error {
		for n := 1; n <= p.Pages; n++ {
			payload, err := json.Marshal(n)
			if err != nil {
				return err
			}
			if _, err := client.EnqueueContext(ctx, asynq.NewTask(rivalPage, payload)); err != nil {
				return err
			}
		}
		return <-finished
	}, nil
}

func (p *plain) writePage(ctx context.Context, pool *pgxpool.Pool, body io.Reader) error {
	l, err := decode(body)
	if err != nil {
		return err
	}
	var ids, tops []int64
	var names, topNames []string
	var inactive []bool
	for _, c := range l.Clients {
		ids, names, inactive = append(ids, c.ID), append(names, c.Name), append(inactive, c.Inactive)
		tops, topNames = append(tops, c.TopLevelID), append(topNames, c.TopLevelName)
	}
	_, err = pool.Exec(ctx, `
		insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
		select $1, $2, id, name, inactive, nullif(top_id, 0), nullif(top_name, '')
		from unnest($3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[]) as u(id, name, inactive, top_id, top_name)
		on conflict (connection_id, client_id) do update
		set name = excluded.name, inactive = excluded.inactive, toplevel_id = excluded.toplevel_id, toplevel_name = excluded.toplevel_name`,
		tenant, p.Conn, ids, names, inactive, tops, topNames)
	return err
}
