package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/halosync/halosync/halo/halotest"
)

const (
	sqlFunction = "halosync.enqueue"
	plainInsert = "plain insert"
)

// equalTable is the table of runs without what the product sees of it. Like
// "including all", but with the foreign key, which that leaves out.
const equalTable = `
create table public.equal_runs (like halosync.runs including all);
alter table public.equal_runs add foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade`

// The two statements ask for the same: run $1 of a search of its own.
const (
	askSQL = `select halosync.enqueue('import', $2, $3::uuid, jsonb_build_object('search', 'client ' || $1::int), 'bench')`
	rowSQL = `
		insert into public.equal_runs (id, tenant, connection_id, kind, args, request_key, requested_by)
		select gen_random_uuid(), $2, $3::uuid, 'import', a, 'sql:' || encode(sha256(convert_to(a::text, 'UTF8')), 'hex'), 'bench'
		from (select jsonb_build_object('tenant', $2::text, 'connection_id', $3::text, 'search', 'client ' || $1::int, 'requested_by', 'bench') a) as asked
		returning id`
)

// benchSQLEnqueue is a request in SQL next to an insert of the same row into an
// equal table, each in a transaction of its own.
func benchSQLEnqueue(ctx context.Context, s *stage, o options, r *report) error {
	h, err := newHalo(1, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	for _, sessions := range []int{1, 4} {
		n := 1_000 * sessions
		way := func(sql string) func(context.Context) (sample, error) {
			return func(ctx context.Context) (sample, error) { return s.sqlEnqueue(ctx, h, n, sessions, sql) }
		}
		order := []contender{{sqlFunction, way(askSQL)}, {plainInsert, way(rowSQL)}}
		taken, err := compare(ctx, o.rounds, order...)
		if err != nil {
			return err
		}
		r.table(fmt.Sprintf("%d requests in SQL, %d sessions", n, sessions), order, taken)
		r.perSecond(n, order, taken)
		r.goals(atLeast(fmt.Sprintf("requests per second in SQL over plain inserts, %d sessions", sessions), 0.5,
			walls(taken[plainInsert]).median()/walls(taken[sqlFunction]).median()))
	}
	return nil
}

// sqlEnqueue executes the statement n times, each in a transaction of its own.
func (s *stage) sqlEnqueue(ctx context.Context, h *halotest.Halo, n, sessions int, sql string) (took sample, err error) {
	err = s.with(ctx, h, func(d *database, connection string) error {
		if _, err := d.conn.Exec(ctx, equalTable); err != nil {
			return err
		}
		group, gctx := errgroup.WithContext(ctx)
		began := time.Now()
		for session := range sessions {
			group.Go(func() error { return d.executeAll(gctx, sql, connection, session, n, sessions) })
		}
		err := group.Wait()
		took.Wall = time.Since(began)
		return err
	})
	return took, err
}

// executeAll is one session's share of n.
func (d *database) executeAll(ctx context.Context, sql, connection string, session, n, sessions int) (err error) {
	conn, err := pgx.Connect(ctx, d.postgres.DatabaseURL(d.name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for i := session; i < n; i += sessions {
		var id string
		if err := conn.QueryRow(ctx, sql, i, tenant, connection).Scan(&id); err != nil {
			return err
		}
	}
	return nil
}
