package cli

import (
	"testing"
	"time"
)

func TestParseExpires(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 0, "90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "3650d": 3650 * 24 * time.Hour} {
		if got, err := parseExpires(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// FuzzParseExpires checks that any accepted input means no expiry or a future time.
func FuzzParseExpires(f *testing.F) {
	for _, text := range []string{"", "90d", "0d", "-1d", "65535d", "99999d", "1s", "-5h", "1e9h", "d", "90 d", "9223372036854775807ns"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseExpires(text)
		if err == nil && (d == 0) != (text == "") || err != nil && d != 0 || d < 0 || d > 3650*24*time.Hour {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	})
}
