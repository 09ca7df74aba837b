package cli

import (
	"testing"
	"time"
)

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-01-31":                "2026-01-31T00:00:00Z",
		"2026-01-31T08:00:00+01:00": "2026-01-31T07:00:00Z",
		"24h":                       "2026-03-09T12:00:00Z",
		"7d":                        "2026-03-03T12:00:00Z",
	} {
		got, err := parseSince(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-3h", "-3d", "31.01.2026", "99999999d"} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}
