package scoped

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// bound returns the context of one statement or transaction, limited to [Pool.Timeout].
func (p *Pool) bound(caller context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(caller, p.Timeout)
}

// AsUnavailable adds [ErrUnavailable] to an error if a timeout expired but the caller's
// context has not ended. It returns all other errors, and nil, unchanged.
func AsUnavailable(caller context.Context, err error) error {
	if err != nil && caller.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: it does not answer: %w", ErrUnavailable, err)
	}
	return err
}

// boundedRows ends its batch and cancels its context when it is closed. Reading past
// the last row also closes it.
type boundedRows struct {
	pgx.Rows
	caller context.Context //nolint:containedctx // context of the caller, to interpret errors
	finish func() error    // may be called more than once
	err    error           // the result of finish
}

func (r *boundedRows) Close() {
	r.Rows.Close()
	if err := r.finish(); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *boundedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close() // Rows is closed already; this ends the batch
	return false
}

func (r *boundedRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return AsUnavailable(r.caller, err)
	}
	return AsUnavailable(r.caller, r.err)
}

// boundedRow is the first row of a query.
type boundedRow struct {
	rows pgx.Rows
	err  error
}

func (r boundedRow) Scan(dest ...any) error {
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
