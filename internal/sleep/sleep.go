// Package sleep provides a sleep that ends early if its context ends. It imports only the
// standard library, so that every package may use it.
package sleep

import (
	"context"
	"time"
)

// For waits until d has passed or ctx ends. It returns nil after d, and ctx's error
// otherwise. If d is not positive, For returns at once.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
