// Package bulkhead divides the resources of a process between its tenants: connections to
// Postgres, requests in progress and memory for answers. One tenant can use only a part of
// each resource, so that the rest remains available to other tenants.
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
// It is safe for concurrent use. It keeps data about a tenant only while the tenant holds
// units or waits for them. A nil Bulkhead has no limits.
type Bulkhead struct {
	name            string
	size, perTenant int64
	total           *semaphore.Weighted

	mu      sync.Mutex // guards the fields below
	tenants map[string]*share
	stats   Stats
}

// share is one tenant's part of the units.
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
	Tenant bool   // the tenant uses its whole part; false: all tenants together use all units
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

// Acquire takes n units, or the tenant's whole part if that is less, until release is
// called. If the units are not free after the duration wait, it returns a [*FullError]. If
// ctx ends first, it returns the context's error. A tenant waits for its own part first,
// so it never fills the queue in which other tenants wait. The function release may be
// called more than once.
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

// enter returns the tenant's share and counts the caller as one of its users.
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

// leave removes the caller from the users of the tenant's share, and deletes a share
// without users.
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

// refused returns the error for units that did not become free. It counts the refusal
// unless the context of the caller has ended.
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

// WithPlace returns a context that carries release, the function that frees a request's
// place.
func WithPlace(ctx context.Context, release func()) context.Context {
	return context.WithValue(ctx, placeKey{}, release)
}

// Leave frees a request's place before the request ends. The handler of a response that
// lasts for minutes calls Leave, because such responses have a limit of their own.
func Leave(ctx context.Context) {
	if release, ok := ctx.Value(placeKey{}).(func()); ok {
		release()
	}
}
