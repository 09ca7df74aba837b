package scoped

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/internal/bulkhead"
)

// ErrLocked means that another transaction held a lock for longer than a caller with
// [Bounds] waits. Nothing was written.
var ErrLocked = errors.New("another change is still in progress")

// Limits of the waits of a caller with [Bounds].
const (
	// connectionWait limits the wait for a connection.
	connectionWait = 10 * time.Second
	// lockTimeout limits the wait of one statement for a lock.
	lockTimeout = 2 * time.Second
	// tenantLockTimeout limits the wait for a tenant's lock. The waits in Postgres, which
	// hold a connection, take minLockTry to maxLockTry. Between them are pauses without a
	// connection.
	tenantLockTimeout = 5 * time.Second
	minLockTry        = 100 * time.Millisecond
	maxLockTry        = 400 * time.Millisecond
	lockPause         = 200 * time.Millisecond
)

// Bounds limit what the statements of one tenant may use, so that other tenants do not
// wait for them.
type Bounds struct {
	connections *bulkhead.Bulkhead
	writers     *bulkhead.Bulkhead
}

// NewBounds returns bounds with a maximum number of connections in use, in total and per
// tenant.
func NewBounds(connections, perTenant int) *Bounds {
	return &Bounds{
		connections: bulkhead.New("postgres", int64(connections), int64(perTenant)),
		writers:     bulkhead.New("writers", maxWriters, 1),
	}
}

// maxWriters does not limit anything: only the part of each tenant matters.
const maxWriters = 1 << 30

// Bulkheads returns the limit of connections.
func (b *Bounds) Bulkheads() []*bulkhead.Bulkhead { return []*bulkhead.Bulkhead{b.connections} }

// Bounded returns a pool with the same connections whose callers observe b.
func (p *Pool) Bounded(b *Bounds) *Pool {
	bounded := *p
	bounded.bounds = b
	return &bounded
}

// enter waits until the scope's tenant may use one more connection. Scopes of the
// installation have no limit.
func (s Scope) enter(ctx context.Context) (leave func(), err error) {
	if s.p.bounds == nil || s.setting == noTenant || s.setting == allTenants {
		return func() {}, nil
	}
	return s.p.bounds.connections.Acquire(ctx, connectionWait, s.setting, 1)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// InLockedTx is like [Scope.InTx], with a lock that lockSQL takes for arg as the first
// statement. With [Bounds], the transactions of a tenant wait for each other in this
// process, without a connection, and the first of them waits for transactions elsewhere
// only a few seconds, half of that time without a connection. If the lock is not free by
// then, it returns [ErrLocked].
func (s Scope) InLockedTx(caller context.Context, lockSQL, arg string, f func(context.Context, pgx.Tx) error) error {
	if s.p.bounds == nil {
		return s.InTx(caller, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, lockSQL, arg); err != nil {
				return err
			}
			return f(ctx, tx)
		})
	}
	release, err := s.p.bounds.writers.Acquire(caller, tenantLockTimeout, s.setting, 1)
	if _, full := bulkhead.IsFull(err); full {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	defer release()
	deadline := time.Now().Add(tenantLockTimeout)
	for try := minLockTry; ; try = min(2*try, maxLockTry) {
		locked := false
		err := s.InTx(caller, func(ctx context.Context, tx pgx.Tx) error {
			if err := lockWithin(ctx, tx, lockSQL, arg, try); err != nil {
				return err
			}
			locked = true
			return f(ctx, tx)
		})
		if locked || !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(lockPause):
		case <-caller.Done():
			return caller.Err()
		}
	}
}

// lockWithin takes a lock in one round trip, waiting at most for the duration try.
func lockWithin(ctx context.Context, tx pgx.Tx, lockSQL, arg string, try time.Duration) error {
	b := &pgx.Batch{}
	b.Queue(setLockTimeoutSQL, milliseconds(try))
	b.Queue(lockSQL, arg)
	b.Queue(setLockTimeoutSQL, milliseconds(lockTimeout))
	return AsLocked(tx.SendBatch(ctx, b).Close())
}

const setLockTimeoutSQL = `select set_config('lock_timeout', $1, true)`

// AsLocked adds [ErrLocked] to Postgres' error that a lock was not available in time. It
// returns all other errors, and nil, unchanged.
func AsLocked(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "55P03" && !errors.Is(err, ErrLocked) {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return err
}
