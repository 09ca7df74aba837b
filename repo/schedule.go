package repo

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DueConnection is a connection whose resync is due or whose next resync is not planned
// yet.
type DueConnection struct {
	ID           uuid.UUID
	Tenant       string
	ResyncCron   string     // empty: the default
	NextResyncAt *time.Time // nil: not planned
}

// Slot is the scheduler's decision about a due connection.
type Slot struct {
	Next   time.Time // time of the next resync; zero: none
	Spec   string    // the schedule from which Next was computed
	Missed int       // slots that were missed because no worker was running
	Run    *NewRun   // the run to start; nil: none
}

// ClaimedSlots is the result of one call of [Store.ClaimDue].
type ClaimedSlots struct {
	Connections int // connections checked
	Started     int // runs written; a resync that is still running is not started again
	Missed      int
}

// ClaimDue locks up to limit active connections, of all tenants, whose resync is due.
// In the same transaction it writes their runs and the times of their next resyncs.
// Concurrent calls get different connections, so each slot has one run. The function
// plan decides what to write and must not use the Store. The argument called now is the
// caller's time; if it is zero, the database's time applies.
func (s *Store) ClaimDue(ctx context.Context, now time.Time, limit int, plan func(DueConnection, time.Time) (Slot, error)) (ClaimedSlots, error) {
	var claimed ClaimedSlots
	err := s.forAllTenants().InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		now, due, err := lockDue(ctx, tx, now, limit)
		if err != nil || len(due) == 0 {
			return err
		}
		claimed.Connections = len(due)
		b := &pgx.Batch{}
		for _, c := range due {
			slot, err := plan(c, now)
			if err != nil {
				return err
			}
			claimed.Missed += slot.Missed
			b.Queue(`
				update halosync.connections set next_resync_at = $3, next_resync_spec = $4, missed_resyncs = missed_resyncs + $5
				where tenant = $1 and id = $2`, c.Tenant, c.ID, orNull(slot.Next), slot.Spec, slot.Missed)
			if slot.Run == nil {
				continue
			}
			if err := slot.Run.check(); err != nil {
				return err
			}
			b.Queue(insertRunSQL, slot.Run.values()...).Exec(func(tag pgconn.CommandTag) error {
				claimed.Started += int(tag.RowsAffected())
				return nil
			})
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return ClaimedSlots{}, wrap("claim due resyncs", err)
	}
	return claimed, nil
}

// lockDueSQL has two subqueries: one for connections that are due, one for connections
// that are not planned yet. With a single condition, each call would sort all due
// connections: with 100,000 of them, that takes half a second for every 200 claimed.
const lockDueSQL = `
	with due as materialized (
		select id, tenant, coalesce(resync_cron, '') as resync_cron, next_resync_at from halosync.connections
		where state = 'active' and next_resync_at <= $1
		order by next_resync_at limit $2
		for no key update skip locked),
	unplanned as materialized (
		select id, tenant, coalesce(resync_cron, '') as resync_cron, next_resync_at from halosync.connections
		where state = 'active' and next_resync_at is null
		order by next_resync_at limit $2 - (select count(*) from due)
		for no key update skip locked)
	select * from due union all select * from unplanned`

// lockDue locks the due connections. It also returns the time that it used: now, or the
// database's time if now is zero.
func lockDue(ctx context.Context, tx pgx.Tx, now time.Time, limit int) (time.Time, []DueConnection, error) {
	if now.IsZero() {
		if err := tx.QueryRow(ctx, `select now()`).Scan(&now); err != nil {
			return now, nil, err
		}
	}
	rows, err := tx.Query(ctx, lockDueSQL, now, limit)
	if err != nil {
		return now, nil, err
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByName[DueConnection])
	return now, due, err
}

// lateSQL uses "case" instead of "coalesce", because under row level security no index
// serves a condition with "coalesce".
const lateSQL = `
	select count(*) from halosync.connections
	where state = 'active' and next_resync_at < case when $1::timestamptz is null then now() else $1 end - $2::interval`

// LateResyncs counts the active connections, of all tenants, whose resync has been due
// for longer than tolerance. The argument called now has the same meaning as in
// [Store.ClaimDue].
func (s *Store) LateResyncs(ctx context.Context, now time.Time, tolerance time.Duration) (n int, err error) {
	err = s.forAllTenants().QueryRow(ctx, lateSQL, orNull(now), tolerance).Scan(&n)
	return n, wrap("late resyncs", err)
}

// ForgetPlans clears the time of the next resync on connections, of all tenants, if it
// was computed from an outdated schedule. The current schedule is the connection's own, or
// else defaultSpec, followed by suffix.
func (s *Store) ForgetPlans(ctx context.Context, defaultSpec, suffix string) error {
	_, err := s.forAllTenants().Exec(ctx, `
		update halosync.connections set next_resync_at = null
		where state = 'active' and next_resync_at > now() and next_resync_spec <> coalesce(resync_cron, $1) || $2`, defaultSpec, suffix)
	return wrap("forget plans", err)
}
