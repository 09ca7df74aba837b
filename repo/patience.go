package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience is how long Postgres may take over one statement, or over one
// transaction of a page or chunk, which take milliseconds. Without a bound, a
// connection that died in silence, behind a proxy or a firewall, holds its run
// until the run's own timeout, while other connections say that it is alive.
const patience = time.Minute

// patient is a pool whose statements are given up after a time, as
// [ErrUnavailable].
type patient struct {
	*pgxpool.Pool
	limit time.Duration
}

// bound is the context for one statement or transaction.
func (p patient) bound(caller context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(caller, p.limit)
}

// late makes an error of our own impatience one of the server's: the caller's
// context has time left.
func late(caller context.Context, err error) error {
	if err != nil && caller.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: it does not answer: %w", ErrUnavailable, err)
	}
	return err
}

// Exec is bounded.
func (p patient) Exec(caller context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	ctx, cancel := p.bound(caller)
	defer cancel()
	tag, err := p.Pool.Exec(ctx, sql, args...)
	return tag, late(caller, err)
}

// Query is bounded up to the last row.
func (p patient) Query(caller context.Context, sql string, args ...any) (pgx.Rows, error) {
	ctx, cancel := p.bound(caller)
	rows, err := p.Pool.Query(ctx, sql, args...)
	if err != nil {
		cancel()
		return rows, late(caller, err)
	}
	return &patientRows{rows, caller, cancel}, nil
}

// QueryRow is bounded.
func (p patient) QueryRow(caller context.Context, sql string, args ...any) pgx.Row {
	rows, err := p.Query(caller, sql, args...)
	return patientRow{rows, err}
}

// patientRows ends its context when it is closed, as its readers do at the end.
type patientRows struct {
	pgx.Rows
	caller context.Context //nolint:containedctx // that of the query, to judge its errors
	cancel context.CancelFunc
}

func (r *patientRows) Close() {
	r.Rows.Close()
	r.cancel()
}

func (r *patientRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.cancel() // the rows have closed themselves
	return false
}

func (r *patientRows) Err() error { return late(r.caller, r.Rows.Err()) }

// patientRow is the first of the rows.
type patientRow struct {
	rows pgx.Rows
	err  error
}

func (r patientRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
