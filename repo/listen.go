package repo

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// queuedChannel is told a run's id, as [Hex], when somebody requests it in
// SQL.
const queuedChannel = "halosync_queued"

// Listen calls heard at once and then whenever runs, of any tenants, are
// requested in SQL, until ctx ends or the connection breaks: it always returns
// an error. It has a connection of its own. Behind a pooler that lends
// connections out for one transaction nothing is ever heard.
func (s *Store) Listen(ctx context.Context, heard func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return wrap("listen", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // broken, or not needed any more
	if _, err := conn.Exec(ctx, "listen "+queuedChannel); err != nil {
		return wrap("listen", err)
	}
	for {
		heard() // first for what was requested before we listened
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return wrap("listen", err)
		}
	}
}
