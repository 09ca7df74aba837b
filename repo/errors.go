package repo

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo/internal/scoped"
)

var (
	// ErrNotFound means that the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrConflict matches every [*ConflictError].
	ErrConflict = errors.New("conflict")
	// ErrInvalid matches every [*InvalidError].
	ErrInvalid = errors.New("invalid")
	// ErrFenced means that another execution has taken over the run, or that the run
	// has ended or been removed. Nothing was written.
	ErrFenced = errors.New("run was taken over")
	// ErrUnavailable means that Postgres could not be reached, closed the connection or
	// ran out of resources. The same call may succeed later.
	ErrUnavailable = scoped.ErrUnavailable
	// ErrLocked means that another transaction held a lock for longer than a caller with
	// [Bounds] waits. Nothing was written. The same call may succeed later.
	ErrLocked = scoped.ErrLocked
	// ErrChanged means that a connection has changed since it was read; see
	// [Store.IfUnchanged]. Nothing was written.
	ErrChanged = errors.New("the connection has been changed since it was read")
	// ErrEnded means that a run has ended and cannot be claimed.
	ErrEnded = errors.New("run has ended")
)

// ConflictError reports that a value that must be unique already exists.
type ConflictError struct {
	What string // "connection", "company", "mapping", "run" or "API key"
	Name string // its name, if known
}

func (e *ConflictError) Error() string {
	if e.Name == "" {
		return e.What + " already exists"
	}
	return fmt.Sprintf("%s %q already exists", e.What, e.Name)
}

// Is makes a ConflictError match [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// InvalidError reports which value cannot be stored and why. A retry does not help.
type InvalidError struct {
	What   string // e.g. "company name"
	Reason string // e.g. "is empty"
}

func (e *InvalidError) Error() string { return e.What + " " + e.Reason }

// Is makes an InvalidError match [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// BusyError reports that a run must wait. Another bulk run is running on the
// connection, a live run has the same request, or the tenant's maximum number of bulk
// runs is running.
type BusyError struct {
	RunID   uuid.UUID // the other run; zero if unknown
	Running int       // number of the tenant's running bulk runs, if that is the reason
}

func (e *BusyError) Error() string {
	if e.Running > 0 {
		return plaintext.Plural(e.Running, "run of this tenant is running", "runs of this tenant are running")
	}
	return fmt.Sprintf("connection is busy with run %s", Hex(e.RunID))
}

// named adds a name to a ConflictError that has none.
func named(err error, name string) error {
	var conflict *ConflictError
	if errors.As(err, &conflict) && conflict.Name == "" {
		return &ConflictError{What: conflict.What, Name: name}
	}
	return err
}

// Hex returns a run's id as the queue, notifications and the CLI show it: 32 hex
// digits without hyphens.
func Hex(id uuid.UUID) string { return fmt.Sprintf("%x", id[:]) }

// wrap adds the name of the failed operation to an error and translates Postgres errors
// about the data. It returns nil if err is nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, translate(err))
}

// translate converts a driver error to an error of this package. It keeps the driver's
// error in the chain if that error has more details.
func translate(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	err = scoped.Explain(err)
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrLocked) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if pg.Code == "42501" && pg.Routine == "ExecWithCheckOptions" { // row level security refused a row of another tenant
		return ErrNotFound
	}
	switch pg.Code {
	case "23505": // unique_violation
		return &ConflictError{What: noun(pg.TableName)}
	case "23503": // foreign_key_violation: the referenced row is gone or belongs to another tenant
		return fmt.Errorf("%w: %s", ErrNotFound, pg.ConstraintName)
	case "23514", // check_violation
		"22021", "22P05", // invalid text, usually because of a NUL
		"22P02", // invalid JSON
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
