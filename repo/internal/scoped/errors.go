package scoped

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnavailable means that Postgres could not be reached, closed the connection or ran
// out of resources. The same call may succeed later.
var ErrUnavailable = errors.New("postgres is unavailable")

// Explain adds [ErrUnavailable] to an error that comes from the connection or from the
// server's state, [ErrLocked] to the error for a lock that was not free in time, and
// advice to an error that comes from a pooler. It returns all other errors, and nil,
// unchanged.
func Explain(err error) error {
	switch {
	case isPooler(err):
		return fmt.Errorf("%w; behind a pooler in transaction mode, "+
			"the URL needs default_query_exec_mode=cache_describe", err)
	case isUnavailable(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return AsLocked(err)
}

// isUnavailable reports whether an error comes from the connection or from the server's
// state, not from the statement. It returns false if the caller's context ended, or if
// err already is an [ErrUnavailable].
func isUnavailable(err error) bool {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", // connection exceptions
			"53": // no resources: too many connections, disk full
			return true
		}
		switch pg.Code {
		case "57P01", "57P02", "57P03", "57P05", // shut down, crashed, starting up, idle session ended
			"25P03",          // idle in a transaction for too long: this process was frozen
			"25006",          // read-only: a standby after a failover
			"40001", "40P01": // serialisation failure, deadlock
			return true
		}
		return false
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var refused *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &refused) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// isPooler reports whether an error comes from a pooler in transaction mode that the
// session is not configured for. Either the pooler refuses the session's settings, or
// the prepared statements belong to another session.
func isPooler(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "08P01" && strings.Contains(pg.Message, "startup parameter") ||
		pg.Code == "42P05" || pg.Code == "26000" // statement already exists, statement does not exist
}
