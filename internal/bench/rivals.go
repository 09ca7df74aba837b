package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// The rivals write the catalogue alone, one table of the four that an import
// writes, as the tables' owner, whom no row level security holds. The one that
// writes all four looks nothing up: it makes a company of each client, whatever
// there is already.

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
	return p.taskPerPage(ctx, p.writeCatalogue)
}

// wholeRival is tasksRival for all four tables.
func wholeRival(ctx context.Context, p *plain) (func() error, error) {
	return p.taskPerPage(ctx, p.writeAll)
}

func (p *plain) taskPerPage(ctx context.Context, write func(context.Context, *pgxpool.Pool, listed) error) (func() error, error) {
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
			err = p.page(ctx, n, func(body io.Reader) error {
				l, err := decode(body)
				if err != nil {
					return err
				}
				return write(ctx, pool, l)
			})
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

// columns are a page's rows as arrays.
type columns struct {
	ids, tops       []int64
	names, topNames []string
	inactive        []bool
}

func (l listed) columns() (c columns) {
	for _, row := range l.Clients {
		c.ids, c.names, c.inactive = append(c.ids, row.ID), append(c.names, row.Name), append(c.inactive, row.Inactive)
		c.tops, c.topNames = append(c.tops, row.TopLevelID), append(c.topNames, row.TopLevelName)
	}
	return c
}

const catalogueSQL = `
	insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
	select $1, $2, id, name, inactive, nullif(top_id, 0), nullif(top_name, '')
	from unnest($3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[]) as u(id, name, inactive, top_id, top_name)
	on conflict (connection_id, client_id) do update
	set name = excluded.name, inactive = excluded.inactive, toplevel_id = excluded.toplevel_id, toplevel_name = excluded.toplevel_name`

func (p *plain) writeCatalogue(ctx context.Context, pool *pgxpool.Pool, l listed) error {
	c := l.columns()
	_, err := pool.Exec(ctx, catalogueSQL, tenant, p.Conn, c.ids, c.names, c.inactive, c.tops, c.topNames)
	return err
}

const (
	companiesSQL = `
	insert into halosync.companies (tenant, id, name, norm_name)
	select $1, id, name, coalesce(nullif(lower(name), ''), '-') from unnest($2::uuid[], $3::text[]) as u(id, name)`
	mappingsSQL = `
	insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
	select $1, id, $2, company, client, name, inactive, 'import', 'ok'
	from unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::boolean[]) as u(id, company, client, name, inactive)`
	eventsSQL = `
	insert into halosync.events (tenant, actor, action, how, connection_id, company_id, mapping_id, client_id, after)
	select $1, 'bench', action, 'import', $2, company, case when action = 'mapping.created' then id end, client, jsonb_build_object('client_name', name)
	from unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[]) as u(id, company, client, name),
		(values ('company.created'), ('mapping.created')) as a(action)`
)

func (p *plain) writeAll(ctx context.Context, pool *pgxpool.Pool, l listed) error {
	c := l.columns()
	companies, mappings := make([]uuid.UUID, len(c.ids)), make([]uuid.UUID, len(c.ids))
	for i := range c.ids {
		c.names[i] = cmp.Or(storable(c.names[i]), "-")
		companies[i], mappings[i] = uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(catalogueSQL, tenant, p.Conn, c.ids, c.names, c.inactive, c.tops, c.topNames)
		b.Queue(companiesSQL, tenant, companies, c.names)
		b.Queue(mappingsSQL, tenant, p.Conn, mappings, companies, c.ids, c.names, c.inactive)
		b.Queue(eventsSQL, tenant, p.Conn, mappings, companies, c.ids, c.names)
		return tx.SendBatch(ctx, b).Close()
	})
}
