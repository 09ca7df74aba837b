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
		"0 0 * * 8":                             "8",
		"0 0 * * 5-8":                           "8",
		"0 0 * * 7-5":                           "7",
		"0 0 * * 5-7/0":                         "step",
		"0 0 * * 5-7/x":                         "step",
		"0 0 * * x-7":                           "x",
		"0 0 * * 07":                            "7",
		"0 0 7 7 7 7":                           "5 fields",
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

// In cron, Sunday is both the first day of the week, 0, and the last, 7.
func TestSundayEndsTheWeek(t *testing.T) {
	t.Parallel()
	for spec, same := range map[string]string{
		"7": "0", "0-7": "0,1,2,3,4,5,6", "1-7": "1-6,0", "5-7": "5,6,0", "fri-sun": "5,6,0", "FRI-SUN": "5,6,0", "sat-7": "6,0", "7-7": "0", "mon-sun": "1-6,0",
		"1-7/2": "1,3,5,0", "1-7/3": "1,4,0", "0-7/7": "0", "5-7/9": "5", "7/2": "0", "3,7": "3,0", "1,5-7": "1,5,6,0", "sun": "0", "sun-sat": "0-6", "0,7": "0", "sun-sun": "0",
	} {
		want, err := Parse("30 4 * * " + same)
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range []string{"", "CRON_TZ=Europe/Berlin "} {
			got, err := Parse(zone + "30 4 * * " + spec)
			if err != nil {
				t.Errorf("%s: %v", spec, err)
				continue
			}
			got.zone = want.zone
			for at, n := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 0; n < 15; n++ {
				next := want.Next(at)
				if other := got.Next(at); !other.Equal(next) {
					t.Errorf("%s after %v: %v, want %v like %s", spec, at, other, next, same)
					break
				}
				at = next
			}
		}
	}
	// In the other fields, 7 is a day of the month or a month.
	if s, err := Parse("7 7 7 7 *"); err != nil || !s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Equal(time.Date(2026, 7, 7, 7, 7, 0, 0, time.UTC)) {
		t.Errorf("7 7 7 7 *: %v", err)
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"30 4 * * *", "CRON_TZ=UTC 0 0 * * *", "CRON_TZ=UTC", "@daily", "@every 1h", "TZ= ", "*/0 * * * *", "CRON_TZ= 0 0 * * *",
		"TZ=", "@every 1ns", "@every 87600h", ", * * * *", "* * 31 2,4 *", "0 0 * * 5-7/2", "0 0 * * fri-sun,7", "CRON_TZ=Pacific/Apia */20 0-3 * * sun", "TZ=../../etc/passwd 0 0 * * *"} {
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
