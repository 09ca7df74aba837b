package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience is how long Postgres may take over one statement, or over one
// transaction of a page or chunk, which take milliseconds. Without a bound, a
// connection that died in silence, behind a proxy or a firewall, holds its run
// until the run's own timeout, while other connections say that it is alive.
const patience = time.Minute

// patient is a pool that bounds what is done with it. It has no way to run a
// statement: that takes the tenant, [Store.as].
type patient struct {
	pool  *pgxpool.Pool
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

// patientRows ends its batch and its context when it is closed, as its readers do
// at the end.
type patientRows struct {
	pgx.Rows
	caller context.Context //nolint:containedctx // that of the query, to judge its errors
	finish func() error    // may be called more than once
	err    error           // of finish
}

func (r *patientRows) Close() {
	r.Rows.Close()
	if err := r.finish(); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *patientRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close() // the rows have closed themselves
	return false
}

func (r *patientRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return late(r.caller, err)
	}
	return late(r.caller, r.err)
}

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
