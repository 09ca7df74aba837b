package repo_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// silentConn is a connection that dies silently: writes vanish and nothing comes back.
type silentConn struct {
	net.Conn
	dead *atomic.Bool
}

func (c silentConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Every kind of call gives up on a connection that died silently, and the next call
// uses a new connection.
func TestSilentPostgres(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	var dead atomic.Bool
	store, err := repo.OpenWrapped(t.Context(), w.url, repotest.Keys(t), func(c net.Conn) net.Conn {
		dead.Store(false) // a new connection works
		return silentConn{c, &dead}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	repo.SetTimeout(store, time.Second) // enough to open a connection on a busy machine
	for name, call := range map[string]func(context.Context) error{
		"row":       func(ctx context.Context) error { _, err := store.OthersWait(ctx, claim.Ref, 0); return err },
		"rows":      func(ctx context.Context) error { _, err := store.Connections(ctx, w.tenant); return err },
		"statement": func(ctx context.Context) error { return store.Beat(ctx, claim.Ref) },
		"transaction": func(ctx context.Context) error {
			_, err := store.RequestCancel(ctx, w.tenant, claim.Run.ID, "ann")
			return err
		},
		"page": func(ctx context.Context) error {
			_, err := store.ImportBatch(ctx, claim.Ref, page(1), decider(nil))
			return err
		},
	} {
		if err := call(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		dead.Store(true)
		if err := call(t.Context()); !errors.Is(err, repo.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if err := call(t.Context()); err != nil {
			t.Errorf("%s, once more: %v", name, err)
		}
	}
	// If the caller's context ends, the database is not reported as unavailable.
	if err := store.Beat(within(t, 0), claim.Ref); errors.Is(err, repo.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("own timeout: %v", err)
	}
	if _, err := store.Run(t.Context(), "globex", claim.Run.ID); !errors.Is(err, repo.ErrNotFound) || errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("no row: %v", err)
	}
}
