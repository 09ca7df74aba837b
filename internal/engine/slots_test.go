package engine

import (
	"archive/zip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// zones are the names of all time zones that Go knows.
func zones(t *testing.T) []string {
	t.Helper()
	//nolint:staticcheck // SA1019: the tests run where Go is installed
	archive, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = archive.Close() }) // it was only read
	var names []string
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	return names
}

// Every night has exactly one resync, in every zone of the world, whatever
// its clocks are changed to.
func TestNoNightIsSkippedOrDoubled(t *testing.T) {
	t.Parallel()
	names := zones(t)
	if len(names) < 400 {
		t.Fatalf("only %d zones", len(names))
	}
	for _, name := range names {
		for _, fields := range []string{"30 2 * * *", "0 0 * * *", "30 1 * * *"} {
			s, err := ParseSchedule("CRON_TZ=" + name + " " + fields)
			if err != nil {
				t.Fatal(err)
			}
			// Counted by the wall clock that the schedule is about: one for each
			// of the days between, and never two within half a day.
			at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
			end := time.Date(2027, 6, 30, 12, 0, 0, 0, time.UTC)
			n, last := 0, at.Add(-24*time.Hour)
			for at = s.Next(at); !at.After(end); at = s.Next(at) {
				if at.Sub(last) < 12*time.Hour {
					t.Fatalf("%s, %s: %v and %v are one night", name, fields, last, at)
				}
				if n > 0 && at.Sub(last) > 36*time.Hour {
					t.Fatalf("%s, %s: no night between %v and %v", name, fields, last, at)
				}
				n, last = n+1, at
			}
			if want := 365 + 180; n < want-1 || n > want+1 {
				t.Errorf("%s, %s: %d nights in a year and a half", name, fields, n)
			}
		}
	}
}

func TestScheduleWhenClocksChange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ spec, after, want string }{
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"}, // the clock jumps from 2 to 3
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"}, // half past two comes twice
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
		{"CRON_TZ=Australia/Lord_Howe 0 2 * * *", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"}, // half an hour is missing
		{"CRON_TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"},   // midnight is missing
		{"30 4 * * *", "2026-03-29T00:00:00Z", "2026-03-29T04:30:00Z"},
		{"TZ=Asia/Kathmandu @daily", "2026-03-29T00:00:00Z", "2026-03-29T18:15:00Z"},
		{"30 4 29 2 *", "2026-03-29T00:00:00Z", "2028-02-29T04:30:00Z"},
	} {
		s, err := ParseSchedule(tc.spec)
		if err != nil {
			t.Fatal(err)
		}
		after, err := time.Parse(time.RFC3339, tc.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(after).UTC().Format(time.RFC3339); got != tc.want {
			t.Errorf("%s after %s: %s, want %s", tc.spec, tc.after, got, tc.want)
		}
	}
}

// Ten thousand connections start over the whole window, each at its own time
// every night, and never later than half way to the next.
func TestStartsAreSpread(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	nightly, err := ParseSchedule("30 4 * * *")
	if err != nil {
		t.Fatal(err)
	}
	const connections = 10_000
	perMinute := map[int]int{}
	for range connections {
		s := newSlots(nightly, uuid.New(), time.Hour, now)
		first := s.next(now)
		if again := s.next(first); again.Sub(first) != 24*time.Hour {
			t.Fatalf("%v, then %v", first, again)
		}
		if s.missed(first, first.Add(72*time.Hour)) != 3 || s.missed(first, first.Add(23*time.Hour)) != 0 {
			t.Fatal("missed nights are counted wrong")
		}
		perMinute[int(first.Sub(time.Date(2026, 5, 2, 4, 30, 0, 0, time.UTC)).Minutes())]++
	}
	for minute := range 60 {
		if n := perMinute[minute]; n < connections/60/2 || n > connections/60*2 {
			t.Errorf("%d start in minute %d, want some %d", n, minute, connections/60)
		}
	}
	often, err := ParseSchedule("*/10 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	if s := newSlots(often, uuid.New(), time.Hour, now); s.shift >= 5*time.Minute {
		t.Errorf("shifted by %v of ten minutes", s.shift)
	}
}
