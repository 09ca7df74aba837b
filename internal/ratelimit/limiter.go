// Package ratelimit keeps the requests to one Halo instance inside its
// budget. Halo counts per instance and does not care which of our
// connections, runs or people a request came from.
//
// The budget is shared within one process. Workers that should share an
// instance each need a part of its budget for now: see docs/operating.md.
package ratelimit

import (
	"context"
	"sync"

	"golang.org/x/time/rate"
)

// Limiter hands out requests per instance. The zero value is not usable; see
// [New].
type Limiter struct {
	mu        sync.Mutex
	instances map[string]*rate.Limiter
}

// New returns a limiter without any instance known yet.
func New() *Limiter { return &Limiter{instances: map[string]*rate.Limiter{}} }

// Wait blocks until one more request may go to the instance, or ctx is done.
// When instance has been seen before with another rate, the new one holds
// from now on.
func (l *Limiter) Wait(ctx context.Context, instance string, r Rate) error {
	return l.instance(instance, r).Wait(ctx)
}

// instance returns the token bucket of an instance. A bucket lets burst +
// rate × window through in its worst window, so a tenth of the budget is the
// burst and the remaining nine tenths are the rate: never more than Requests
// in any window of Per.
func (l *Limiter) instance(name string, r Rate) *rate.Limiter {
	burst := max(1, r.Requests/10)
	every := rate.Limit(float64(max(1, r.Requests-burst)) / r.Per.Seconds())

	l.mu.Lock()
	defer l.mu.Unlock()
	lim, ok := l.instances[name]
	if !ok {
		lim = rate.NewLimiter(every, burst)
		l.instances[name] = lim
		return lim
	}
	if lim.Limit() != every || lim.Burst() != burst {
		lim.SetLimit(every)
		lim.SetBurst(burst)
	}
	return lim
}

// Budget makes a waiter of a limiter: each instance has def, or the limit
// that a connection sets itself (as [ParseRate] reads it; empty for none).
func Budget(l *Limiter, def Rate) func(ctx context.Context, instance, limit string) error {
	return func(ctx context.Context, instance, limit string) error {
		r := def
		if limit != "" {
			var err error
			if r, err = ParseRate(limit); err != nil {
				return err
			}
		}
		return l.Wait(ctx, instance, r)
	}
}
