package repo

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// queuedChannel carries the id, as [Hex], of each run that is requested in SQL.
	queuedChannel = "halosync_queued"
	// echoTimeout is how long our own notification may take to arrive.
	echoTimeout = 5 * time.Second
)

// ErrNoNotifications means that notifications do not arrive, so that [Store.Listen] is of no
// use.
var ErrNoNotifications = errors.New("notifications do not arrive, as behind a pooler that lends connections out for a transaction")

// Listen calls heard at once and then whenever runs, of any tenants, are requested
// in SQL, until ctx ends or the connection breaks. It always returns an error. It
// uses a connection of its own. It first notifies itself; if that does not arrive
// within five seconds, it returns [ErrNoNotifications].
func (s *Store) Listen(ctx context.Context, heard func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.ConnConfig())
	if err != nil {
		return wrap("listen", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it is broken or not needed any more
	id, err := newID()
	if err != nil {
		return err
	}
	probe := "halosync_probe_" + Hex(id)
	for _, channel := range []string{queuedChannel, probe} {
		if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
			return wrap("listen", err)
		}
	}
	heard() // for what was requested before
	if _, err := s.pool.ForNoTenant().Exec(ctx, `select pg_notify($1, '')`, probe); err != nil {
		return wrap("listen", err)
	}
	wait, cancel := context.WithTimeout(ctx, echoTimeout)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(wait)
		switch {
		case err != nil && ctx.Err() == nil && wait.Err() != nil:
			return wrap("listen", ErrNoNotifications)
		case err != nil:
			return wrap("listen", err)
		case n.Channel == probe:
			wait = ctx // notifications arrive: wait without a limit
		default:
			heard()
		}
	}
}
