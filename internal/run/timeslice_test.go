package run

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestTimeSlice(t *testing.T) {
	t.Parallel()
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Second)
	for name, tt := range map[string]struct {
		ask, ends time.Time
		others    bool
		draining  bool
		want      error
		checked   bool
	}{
		"fresh":                     {ask: soon, ends: soon, others: true},
		"no other waits":            {ask: past, ends: soon, checked: true},
		"others wait":               {ask: past, ends: soon, others: true, checked: true, want: errSliceOver},
		"slice is over":             {ask: past, ends: past, want: errSliceOver},
		"in one piece":              {ask: past, others: true},
		"worker stops":              {ask: soon, ends: soon, draining: true, want: ErrDraining},
		"in one piece, worker stop": {ask: past, draining: true, want: ErrDraining},
	} {
		draining := make(chan struct{})
		if tt.draining {
			close(draining)
		}
		checks := 0
		slice := TimeSlice{draining: draining, check: tt.ask, ends: tt.ends, others: func(context.Context) bool { checks++; return tt.others }}
		if got := slice.Over(t.Context()); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		_ = slice.Over(t.Context()) // must not check again immediately
		if (checks == 1) != tt.checked || checks > 1 {
			t.Errorf("%s: checked %d times, want %v", name, checks, tt.checked)
		}
	}
}

func TestBusyWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		waited time.Duration
		chance float64
		want   time.Duration
	}{
		{0, 0, 5 * time.Second},
		{-time.Minute, 0, 5 * time.Second}, // negative because clocks differ
		{0, 0.5, 6250 * time.Millisecond},
		{time.Minute, 0, 15 * time.Second},
		{time.Hour, 0, 20 * time.Second},
		{time.Hour, 0.999, 29990 * time.Millisecond},
	} {
		if got := busyWait(tt.waited, tt.chance); got != tt.want {
			t.Errorf("busyWait(%v, %v) = %v, want %v", tt.waited, tt.chance, got, tt.want)
		}
	}
}
