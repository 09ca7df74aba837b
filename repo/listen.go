package repo

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// queuedChannel carries a notification without a payload when a run is requested in
	// SQL.
	queuedChannel = "halosync_queued"
	// echoTimeout is the maximum time that Listen waits for its own notification.
	echoTimeout = 5 * time.Second
)

// ErrNoNotifications means that notifications do not arrive, so [Store.Listen] does not
// work.
var ErrNoNotifications = errors.New("notifications do not arrive, for example behind a pooler in transaction mode")

// Listen calls the function heard once at the start, and then whenever a run of any tenant
// is requested in SQL. It returns when ctx ends or the connection breaks, always with an
// error. It uses a connection of its own, on which it first sends itself a notification. If
// that notification does not arrive within five seconds, Listen returns
// [ErrNoNotifications].
func (s *Store) Listen(ctx context.Context, heard func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.ConnConfig())
	if err != nil {
		return wrap("listen", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it is broken or no longer needed
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
	heard() // for earlier requests
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
