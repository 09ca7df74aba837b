package sleep_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halosync/halosync/internal/sleep"
)

func TestFor(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, d := range []time.Duration{-1, 0, time.Hour} {
		if err := sleep.For(ended, d); !errors.Is(err, context.Canceled) {
			t.Errorf("%v after the context ended: %v", d, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for _, d := range []time.Duration{-1, 0, time.Hour} {
			if err := sleep.For(t.Context(), d); err != nil {
				t.Errorf("%v: %v", d, err)
			}
		}
		if took := time.Since(start); took != time.Hour {
			t.Errorf("took %v, want 1h", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := sleep.For(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with an earlier deadline: %v", err)
		}
		if took := time.Since(start); took != time.Hour+time.Minute {
			t.Errorf("took %v, want 1h1m", took)
		}
	})
}
