package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestParseSchedule(t *testing.T) {
	t.Parallel()
	s, err := Parse("CRON_TZ=Europe/Berlin 30 4 * * *")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC) // summer time begins in the night
	if got, want := s.Next(from), time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("next after %v: %v, want %v", from, got.UTC(), want)
	}
	for spec, why := range map[string]string{
		"":                                      "empty",
		"0 0 31 2 *":                            "never comes",
		"CRON_TZ=UTC":                           "space",
		"TZ=Europe/Berlin":                      "space",
		"CRON_TZ=Nowhere/City 0 0 * * *":        "unknown",
		"0 0 * * 7":                             "7",
		"0 0 0 * * *":                           "5 fields",
		"@every 1d":                             "1d",
		"@every 1ns":                            "1m0s between",
		"TZ=":                                   "space",
		"CRON_TZ= 0 0 * * *":                    "space",
		"CRON_TZ=Local 0 0 * * *":               "machine to machine",
		"0 0 * * * CRON_TZ=UTC":                 "in front",
		", * * * *":                             "comma",
		"0 0 1,,2 * *":                          "comma",
		strings.Repeat("0,", 100) + "0 0 * * *": "longer than 200",
	} {
		if _, err := Parse(spec); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("Parse(%q): %v, want something with %q", spec, err, why)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"30 4 * * *", "CRON_TZ=UTC 0 0 * * *", "CRON_TZ=UTC", "@daily", "@every 1h", "TZ= ", "*/0 * * * *", "CRON_TZ= 0 0 * * *",
		"TZ=", "@every 1ns", "@every 87600h", ", * * * *", "* * 31 2,4 *", "CRON_TZ=Pacific/Apia */20 0-3 * * sun", "TZ=../../etc/passwd 0 0 * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec)
		if err != nil {
			return
		}
		for at, n := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), 0; n < 50; n++ {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q: %v after %v", spec, next, at)
			}
			at = next
		}
	})
}
