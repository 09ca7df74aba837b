package repo

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/repo/internal/scoped"
)

var (
	// ErrNotFound says that the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrConflict is what every [*ConflictError] is.
	ErrConflict = errors.New("conflict")
	// ErrInvalid is what every [*InvalidError] is.
	ErrInvalid = errors.New("invalid")
	// ErrFenced says that a run is not this execution's any more: another one
	// has taken it over, or the run has ended or was removed. Nothing was
	// written.
	ErrFenced = errors.New("run was taken over")
	// ErrUnavailable means that Postgres could not be reached, went away or had no
	// resources: the same may succeed later.
	ErrUnavailable = scoped.ErrUnavailable
	// ErrChanged says that somebody else has changed a connection since it was
	// read; see [Store.IfUnchanged]. Nothing was written.
	ErrChanged = errors.New("somebody else has changed the connection meanwhile")
	// ErrEnded says that a run is over and cannot be claimed.
	ErrEnded = errors.New("run has ended")
)

// ConflictError says that something which must be unique exists already.
type ConflictError struct {
	What string // "connection", "company", "mapping", "run" or "API key"
	Name string // which one, if known
}

func (e *ConflictError) Error() string {
	if e.Name == "" {
		return e.What + " exists already"
	}
	return fmt.Sprintf("%s %q exists already", e.What, e.Name)
}

// Is makes a ConflictError an [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// InvalidError says which value cannot be stored and why. Trying again does
// not help.
type InvalidError struct {
	What   string // e.g. "company name"
	Reason string // e.g. "is empty"
}

func (e *InvalidError) Error() string { return e.What + " " + e.Reason }

// Is makes an InvalidError an [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// BusyError says that another run occupies the connection: one bulk run at a
// time, and one run for the same request; or that as many bulk runs of the
// tenant are running as may be.
type BusyError struct {
	RunID   uuid.UUID // the other run; zero if it could not be told
	Running int       // bulk runs of the tenant, if those are in the way
}

func (e *BusyError) Error() string {
	switch {
	case e.Running == 1:
		return "1 run of this tenant is running"
	case e.Running > 1:
		return fmt.Sprintf("%d runs of this tenant are running", e.Running)
	}
	return fmt.Sprintf("connection is busy with run %s", Hex(e.RunID))
}

// named puts a name into a ConflictError that has none.
func named(err error, name string) error {
	var conflict *ConflictError
	if errors.As(err, &conflict) && conflict.Name == "" {
		return &ConflictError{What: conflict.What, Name: name}
	}
	return err
}

// Hex writes a run's id as the queue, notifications and the CLI show it: 32
// hex digits without hyphens.
func Hex(id uuid.UUID) string { return fmt.Sprintf("%x", id[:]) }

// wrap puts what was tried before an error and translates those of Postgres
// that are about the data. nil stays nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, translate(err))
}

// translate gives an error of the driver the package's own meaning; the
// driver's error stays in the chain where it says more.
func translate(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	err = scoped.Explain(err)
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if pg.Code == "42501" && pg.Routine == "ExecWithCheckOptions" { // the wall refused a row: another tenant's
		return ErrNotFound
	}
	switch pg.Code {
	case "23505": // unique_violation
		return &ConflictError{What: noun(pg.TableName)}
	case "23503": // foreign_key_violation: the row referred to is gone or another tenant's
		return fmt.Errorf("%w: %s", ErrNotFound, pg.ConstraintName)
	case "23514", // check_violation
		"22021", "22P05", // a byte sequence or an escape that is no text: NUL, mostly
		"22P02", // no JSON
		"54000": // too long for an index
		return &InvalidError{What: "value", Reason: "refused by the database: " + pg.Message}
	}
	return err
}

func noun(table string) string {
	switch table {
	case "connections":
		return "connection"
	case "companies":
		return "company"
	case "mappings":
		return "mapping"
	case "runs":
		return "run"
	case "api_keys":
		return "API key"
	}
	return table
}
