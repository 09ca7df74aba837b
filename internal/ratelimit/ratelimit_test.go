package ratelimit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Rate{
		"700/5m":      {700, 5 * time.Minute},
		" 60 / 1m ":   {60, time.Minute},
		"5/s":         {5, time.Second},
		"1000000/24h": {1_000_000, 24 * time.Hour},
		"100/1m30s":   {100, 90 * time.Second},
	} {
		got, err := ParseRate(in)
		if err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "700", "/5m", "700/", "0/5m", "-1/5m", "700/5", "700/1ms", "700/25h", "1e3/5m", "700/5m/2"} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", in, got)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"700/5m", "5/s", "1/1h30m", "x/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		again, err := ParseRate(r.String())
		if err != nil || again != r {
			t.Errorf("ParseRate(%q).String() = %q, which reads as %v, %v", s, r, again, err)
		}
	})
}

// No window of the rate's length may ever see more requests than the rate
// allows, from the first burst on.
func TestLimiterNeverExceedsAnyWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, rate := New(), Rate{100, time.Minute}
		var at []time.Time
		for range 450 {
			if err := l.Wait(t.Context(), "a", rate); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Now())
		}
		for i := rate.Requests; i < len(at); i++ {
			if span := at[i].Sub(at[i-rate.Requests]); span < rate.Per {
				t.Fatalf("requests %d to %d within %v", i-rate.Requests, i, span)
			}
		}
		if spent := at[len(at)-1].Sub(at[0]); spent > 5*time.Minute {
			t.Errorf("450 requests at 100 a minute took %v: the budget is wasted", spent)
		}
	})
}

func TestLimiterKeepsInstancesApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, rate := New(), Rate{10, time.Hour}
		start := time.Now()
		for _, instance := range []string{"a", "b", "c"} {
			if err := l.Wait(t.Context(), instance, rate); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("first requests of three instances waited %v", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Wait(ctx, "a", rate); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("second request of an exhausted instance: %v, want a refusal", err)
		}
		if err := l.Wait(t.Context(), "a", Rate{10, time.Second}); err != nil {
			t.Errorf("after the rate was raised: %v", err)
		}
	})
}
