// Package bulkhead divides what a process has between its tenants: connections to
// Postgres, requests in progress, memory for answers. One tenant can use only a part of
// each, so that the others always find the rest.
package bulkhead

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// A Bulkhead limits how many units are in use at the same time, in total and per tenant.
// It is safe for concurrent use. It remembers a tenant only while the tenant holds or
// waits for units. A nil Bulkhead has no limits.
type Bulkhead struct {
	name            string
	size, perTenant int64
	total           *semaphore.Weighted

	mu      sync.Mutex // guards the fields below
	tenants map[string]*share
	stats   Stats
}

// share is the part of one tenant.
type share struct {
	units *semaphore.Weighted
	users int // callers that hold units or wait for them
}

// Stats is the use of a [Bulkhead].
type Stats struct {
	Name                          string
	Used, Size                    int64 // units
	RefusedTenant, RefusedProcess int64 // refusals since the start, because of the tenant's limit and of the total
}

// A FullError means that a limit is reached and nothing became free in time.
type FullError struct {
	Name   string // name of the bulkhead
	Tenant bool   // the tenant itself uses its whole part; otherwise all tenants together use everything
}

func (e *FullError) Error() string {
	if e.Tenant {
		return fmt.Sprintf("limit of this tenant reached: %s", e.Name)
	}
	return fmt.Sprintf("limit of this worker reached: %s", e.Name)
}

// New returns a bulkhead. The name says what the units are, for errors and metrics.
func New(name string, total, perTenant int64) *Bulkhead {
	return &Bulkhead{
		name: name, size: total, perTenant: min(perTenant, total),
		total: semaphore.NewWeighted(total), tenants: map[string]*share{},
	}
}

// Acquire takes n units until release is called, but at most the tenant's whole part. It
// waits for them at most for the duration wait, and then returns a [*FullError]. If ctx
// ends first, it returns the context's error. A tenant waits for its own part first, so it
// never fills the queue of the others. release may be called more than once.
func (b *Bulkhead) Acquire(ctx context.Context, wait time.Duration, tenant string, n int64) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	n = min(n, b.perTenant)
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	s := b.enter(tenant)
	if !take(limited, s.units, n) {
		b.leave(tenant, s)
		return nil, b.refused(ctx, true)
	}
	if !take(limited, b.total, n) {
		s.units.Release(n)
		b.leave(tenant, s)
		return nil, b.refused(ctx, false)
	}
	b.use(n)
	return sync.OnceFunc(func() {
		b.use(-n)
		b.total.Release(n)
		s.units.Release(n)
		b.leave(tenant, s)
	}), nil
}

// take acquires units, without waiting if ctx has ended.
func take(ctx context.Context, units *semaphore.Weighted, n int64) bool {
	return units.TryAcquire(n) || units.Acquire(ctx, n) == nil
}

// enter returns the tenant's part and counts the caller as a user of it.
func (b *Bulkhead) enter(tenant string) *share {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.tenants[tenant]
	if s == nil {
		s = &share{units: semaphore.NewWeighted(b.perTenant)}
		b.tenants[tenant] = s
	}
	s.users++
	return s
}

// leave forgets the tenant's part after its last user.
func (b *Bulkhead) leave(tenant string, s *share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(b.tenants, tenant)
	}
}

func (b *Bulkhead) use(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Used += n
}

// refused returns the error for units that did not become free, and counts it unless the
// caller gave up.
func (b *Bulkhead) refused(ctx context.Context, tenant bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if tenant {
		b.stats.RefusedTenant++
	} else {
		b.stats.RefusedProcess++
	}
	return &FullError{Name: b.name, Tenant: tenant}
}

// Stats returns the current use.
func (b *Bulkhead) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Name, s.Size = b.name, b.size
	return s
}

// IsFull returns the [*FullError] in err's chain.
func IsFull(err error) (*FullError, bool) { return errors.AsType[*FullError](err) }

type placeKey struct{}

// WithPlace returns a context that carries the function that gives back the place of a
// request.
func WithPlace(ctx context.Context, release func()) context.Context {
	return context.WithValue(ctx, placeKey{}, release)
}

// Leave releases a request's place before the request ends. A response that lasts for
// minutes and has its own limit calls it.
func Leave(ctx context.Context) {
	if release, ok := ctx.Value(placeKey{}).(func()); ok {
		release()
	}
}
