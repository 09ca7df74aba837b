package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/halo/halotest"
)

// These are keys of [sample.Other], besides those in keyRows.
const (
	keyWAL    = "WAL"          // bytes of write-ahead log
	keyBlocks = "whole blocks" // blocks that the log contains in full
)

// dataTables lists the tables that hold the result of an import.
func dataTables() []string { return []string{"clients", "companies", "mappings", "events"} }

// runTables lists the tables that hold the run itself, which each import writes.
func runTables() []string {
	return []string{"runs", "run_pages", "run_findings", "run_items", "connections"}
}

// verbs lists the kinds of row changes that Postgres counts.
func verbs() []string { return []string{"inserted", "updated", "deleted"} }

func keyRows(table, verb string) string { return table + " " + verb }

// rewritten returns the number of rows that each sample wrote to the tables.
func rewritten(samples []sample, tables ...string) figures {
	return of(samples, func(s sample) float64 {
		var sum float64
		for _, t := range tables {
			for _, verb := range verbs() {
				sum += s.Other[keyRows(t, verb)]
			}
		}
		return sum
	})
}

// writing measures f with a new worker, including requests to Halo and writes.
func (d *database) writing(ctx context.Context, h *halotest.Halo, f func() (time.Duration, error)) (sample, error) {
	if err := d.settle(ctx); err != nil {
		return sample{}, err
	}
	before, err := d.written(ctx)
	if err != nil {
		return sample{}, err
	}
	h.ResetLog()
	took, err := d.byWorker(ctx, f)
	if err != nil {
		return took, err
	}
	if took.Other, err = d.written(ctx); err != nil {
		return took, err
	}
	for key, n := range before {
		took.Other[key] -= n
	}
	took.Other[keyRequests] = float64(h.Log().Requests)
	return took, nil
}

// settle vacuums the database and runs a checkpoint. Afterwards the first
// change to a block logs the whole block, as after each checkpoint in
// production. settle also flushes the counts of this program's own sessions,
// which would otherwise count towards the next step.
func (d *database) settle(ctx context.Context) error {
	for _, sql := range []string{"vacuum (analyze)", "checkpoint"} {
		if _, err := d.conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	for _, conn := range []*pgx.Conn{d.conn, d.admin} {
		if _, err := conn.Exec(ctx, "select pg_stat_force_next_flush()"); err != nil {
			return err
		}
	}
	return nil
}

// written returns the rows written so far by table, and the position in the
// WAL. A session reports its counts when it ends, if not before. The function therefore
// waits until this program's session is the only session in the database.
func (d *database) written(ctx context.Context) (map[string]float64, error) {
	if err := d.waitAlone(ctx); err != nil {
		return nil, err
	}
	seen := map[string]float64{}
	var wal, blocks float64
	err := d.conn.QueryRow(ctx, "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn, wal_fpi from pg_stat_wal").Scan(&wal, &blocks)
	if err != nil {
		return nil, err
	}
	seen[keyWAL], seen[keyBlocks] = wal, blocks
	rows, err := d.conn.Query(ctx, "select relname, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_user_tables where schemaname = 'halosync'")
	if err != nil {
		return nil, err
	}
	var table string
	counts := make([]float64, len(verbs()))
	_, err = pgx.ForEachRow(rows, []any{&table, &counts[0], &counts[1], &counts[2]}, func() error {
		for i, verb := range verbs() {
			seen[keyRows(table, verb)] = counts[i]
		}
		return nil
	})
	return seen, err
}

func (d *database) waitAlone(ctx context.Context) error {
	for {
		var others int
		err := d.conn.QueryRow(ctx, `
			select count(*) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`).Scan(&others)
		if err != nil || others == 0 {
			return err
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}
