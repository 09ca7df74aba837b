package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Figures of what was written, in [sample.Other], beside the rows by table and
// verb (see keyRows): the bytes of the write-ahead log, and the blocks that are
// in it as a whole.
const (
	keyWAL    = "WAL"
	keyBlocks = "whole blocks"
)

// verbs are what can be done to a row, as Postgres counts it.
func verbs() []string { return []string{"inserted", "updated", "deleted"} }

// keyRows names a number of rows.
func keyRows(table, verb string) string { return table + " " + verb }

// rewritten are the rows of a table that a sample wrote, whatever the verb.
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

// settle does what a day does to a database: the cleaner has been by, and all
// is on disk. Each block that is changed afterwards goes to the log as a whole
// once, as it does in the field after each checkpoint. What this program's own
// sessions have written so far is told now, not in the middle of the next step.
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

// written is what the database's tables have seen so far, and where the log
// ends. Sessions tell their counts at their end at the latest, so nobody else
// may be connected any more; written waits for that.
func (d *database) written(ctx context.Context) (map[string]float64, error) {
	if err := d.alone(ctx); err != nil {
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

// alone waits until this program's is the only session in the database.
func (d *database) alone(ctx context.Context) error {
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
