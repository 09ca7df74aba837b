package ratelimit

import (
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Rate{
		"700/5m":     {700, 5 * time.Minute},
		" 60 / 1m ":  {60, time.Minute},
		"5/s":        {5, time.Second},
		"100000/24h": {100_000, 24 * time.Hour},
		"100/1m30s":  {100, 90 * time.Second},
	} {
		got, err := ParseRate(in)
		if err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "700", "/5m", "700/", "0/5m", "-1/5m", "700/5", "700/1ms", "700/25h", "1e3/5m", "700/5m/2", "100001/5m"} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", in, got)
		}
	}
}

func TestRateOr(t *testing.T) {
	t.Parallel()
	r := Rate{700, 5 * time.Minute}
	if got, err := r.Or(""); err != nil || got != r {
		t.Errorf("without its own rate: %v, %v", got, err)
	}
	if got, err := r.Or("5/s"); err != nil || got != (Rate{5, time.Second}) {
		t.Errorf("with its own rate: %v, %v", got, err)
	}
	if got, err := r.Or("many"); err == nil {
		t.Errorf("a wrong rate: %v", got)
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
			t.Errorf("ParseRate(%q).String() = %q, which parses as %v, %v", s, r, again, err)
		}
	})
}
