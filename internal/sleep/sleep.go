// Package sleep waits with a context. It imports only the standard library, so that
// every package may use it.
package sleep

import (
	"context"
	"time"
)

// For waits until d has passed or ctx ends. It returns nil after d, or ctx's error. If
// d is not positive, it returns at once.
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
