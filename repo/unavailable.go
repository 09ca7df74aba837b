package repo

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// isUnavailable tells an error of the way to Postgres, or of its state, from
// one of what was asked. The caller's own end of patience is neither.
func isUnavailable(err error) bool {
	if errors.Is(err, ErrUnavailable) {
		return false // told already
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
			"25P03",          // idle in a transaction for too long: we were frozen
			"25006",          // read only: a standby after a failover
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

// isPooler recognises what happens to a session that is not made for a pooler
// in transaction mode: its settings are refused, or its prepared statements are
// somebody else's.
func isPooler(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "08P01" && strings.Contains(pg.Message, "startup parameter") ||
		pg.Code == "42P05" || pg.Code == "26000" // statement exists, does not exist
}
