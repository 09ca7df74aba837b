package repo

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// queuedChannel is told a run's id, as [Hex], when somebody requests it in
	// SQL.
	queuedChannel = "halosync_queued"
	// echoPatience is how long our own notification may take to arrive.
	echoPatience = 5 * time.Second
)

// ErrDeaf says that [Store.Listen] would never hear anything.
var ErrDeaf = errors.New("notifications do not arrive, as behind a pooler that lends connections out for a transaction")

// Listen calls heard at once and then whenever runs, of any tenants, are
// requested in SQL, until ctx ends or the connection breaks: it always returns
// an error. It has a connection of its own. Whether anything can be heard there
// it tries; if not, it returns [ErrDeaf] after some seconds.
func (s *Store) Listen(ctx context.Context, heard func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.ConnConfig())
	if err != nil {
		return wrap("listen", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // broken, or not needed any more
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
	heard() // for what was requested before we listened
	if _, err := s.pool.ForNoTenant().Exec(ctx, `select pg_notify($1, '')`, probe); err != nil {
		return wrap("listen", err)
	}
	patient, cancel := context.WithTimeout(ctx, echoPatience)
	defer cancel()
	for {
		told, err := conn.WaitForNotification(patient)
		switch {
		case err != nil && ctx.Err() == nil && patient.Err() != nil:
			return wrap("listen", ErrDeaf)
		case err != nil:
			return wrap("listen", err)
		case told.Channel == probe:
			patient = ctx // it was heard: from now on there is all the time
		default:
			heard()
		}
	}
}
