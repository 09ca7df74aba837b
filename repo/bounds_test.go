package repo_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// While another session holds a lock of one tenant, callers of that tenant wait for
// the lock, and callers of all other tenants get a connection. The waiting callers get
// an error when the time limit is reached.
func TestHeldLockDelaysOnlyItsTenant(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]struct {
		hold string // takes the lock
		call func(context.Context, *repo.Store, repo.Connection, int) error
	}{
		"the tenant's lock": {
			`select pg_advisory_xact_lock(hashtextextended('halosync tenant bravo', 0))`,
			func(ctx context.Context, s *repo.Store, _ repo.Connection, i int) error {
				_, err := s.AddCompanies(ctx, "bravo", "eve", []repo.NewCompany{{Name: fmt.Sprint("Company ", i), NormName: fmt.Sprint("company ", i)}})
				return err
			},
		},
		"a row": {
			`select 1 from halosync.connections where tenant = 'bravo' for update`,
			func(ctx context.Context, s *repo.Store, c repo.Connection, _ int) error {
				return s.SetConnectionState(ctx, c.Tenant, "eve", c.ID, repo.Paused, "")
			},
		},
		"the row of a repeated request": {
			`select 1 from halosync.answers where tenant = 'bravo' for update`,
			func(ctx context.Context, s *repo.Store, c repo.Connection, _ int) error {
				_, err := s.ClaimRequest(ctx, c.Tenant, "k", "print")
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := repotest.URL(t)
			owner, err := repo.Open(t.Context(), repo.Options{URL: repotest.Worker(t, url), Keys: repotest.Keys(t), MaxConns: 6})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(owner.Close)
			store := owner.Bounded(repo.NewBounds(5, 2))
			bravo, err := store.AddConnection(t.Context(), "bravo", "ann", newConnection("main"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.ClaimRequest(t.Context(), "bravo", "k", "print"); err != nil {
				t.Fatal(err)
			}
			holder := holdLock(t, url, attack.hold)
			ctx, end := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() { _ = attack.call(ctx, store, bravo, i) })
			}
			awaitLockWait(t, url)
			for i := range 20 {
				if _, err := store.Connections(within(t, time.Minute), "acme"); err != nil {
					t.Fatalf("a neighbour reads, time %d: %v", i, err)
				}
				if _, err := store.AddCompanies(within(t, time.Minute), "acme", "ann", []repo.NewCompany{{Name: fmt.Sprint("Company ", i), NormName: fmt.Sprint("company ", i)}}); err != nil {
					t.Fatalf("a neighbour writes, time %d: %v", i, err)
				}
			}
			end()
			all.Wait()
			err = attack.call(t.Context(), store, bravo, 40)
			if !errors.Is(err, repo.ErrLocked) || errors.Is(err, repo.ErrUnavailable) {
				t.Errorf("with the lock held: %v", err)
			}
			if err := holder.Rollback(context.Background()); err != nil {
				t.Error(err)
			}
			if err := attack.call(t.Context(), store, bravo, 41); err != nil && !errors.Is(err, repo.ErrRequestInProgress) {
				t.Errorf("after the lock was released: %v", err)
			}
		})
	}
}

// holdLock begins a transaction in another session, which takes a lock.
func holdLock(t *testing.T, url, sql string) pgx.Tx {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // ends the transaction, too
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	return tx
}

// awaitLockWait waits until a session of the programs' role waits for a lock.
func awaitLockWait(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		n := repotest.Value[int](t, url, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no session waits for a lock")
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // polls for a condition
	}
}

// The callers of one tenant use only their part of the connections, however many
// callers there are. A caller that gets no connection in time gets an error that says
// so.
func TestConnectionsPerTenant(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	bounds := repo.NewBounds(3, 2)
	connections := bounds.Bulkheads()[0]
	store := repotest.Open(t, url).Bounded(bounds)
	for range 2 { // as two statements of bravo that have not ended
		release, err := connections.Acquire(t.Context(), 0, "bravo", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error)
	go func() {
		_, err := store.Connections(ctx, "bravo")
		refused <- err
	}()
	if _, err := store.Connections(t.Context(), "acme"); err != nil {
		t.Errorf("a neighbour: %v", err)
	}
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("the installation: %v", err)
	}
	cancel()
	if err := <-refused; !errors.Is(err, context.Canceled) {
		t.Errorf("bravo: %v", err)
	}
	if _, err := connections.Acquire(t.Context(), 0, "bravo", 1); err == nil || err.(*bulkhead.FullError).Tenant != true { //nolint:errorlint // never wrapped
		t.Errorf("bravo: %v", err)
	}
	if s := connections.Stats(); s.Used != 2 || s.Size != 3 {
		t.Errorf("use %+v", s)
	}
}
