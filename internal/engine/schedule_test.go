package engine

import (
	"strings"
	"testing"
	"time"
)

func TestParseSchedule(t *testing.T) {
	t.Parallel()
	s, err := ParseSchedule("CRON_TZ=Europe/Berlin 30 4 * * *")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC) // summer time begins in the night
	if got, want := s.Next(from), time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("next after %v: %v, want %v", from, got.UTC(), want)
	}
	for spec, why := range map[string]string{
		"":                               "empty",
		"0 0 31 2 *":                     "never comes",
		"CRON_TZ=UTC":                    "blank",
		"TZ=Europe/Berlin":               "blank",
		"CRON_TZ=Nowhere/City 0 0 * * *": "unknown",
		"0 0 * * 7":                      "7",
		"0 0 0 * * *":                    "5 fields",
		"@every 1d":                      "1d",
	} {
		if _, err := ParseSchedule(spec); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseSchedule(%q): %v, want something with %q", spec, err, why)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"30 4 * * *", "CRON_TZ=UTC 0 0 * * *", "CRON_TZ=UTC", "@daily", "@every 1h", "TZ= ", "*/0 * * * *", "CRON_TZ= 0 0 * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := ParseSchedule(spec)
		if err == nil && s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
			t.Errorf("ParseSchedule(%q) accepts what never runs", spec)
		}
	})
}
