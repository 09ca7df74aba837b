// Package sleep waits with a context. It imports nothing but the standard library, so
// that every package may use it.
package sleep

import (
	"context"
	"time"
)

// For waits for d or until ctx ends. It returns ctx's error, or nil after d. If d is
// not above zero, it returns at once.
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
