package schedule

import (
	"archive/zip"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// zones returns Go's time zones, one name for each set of rules.
func zones(t *testing.T) []string {
	t.Helper()
	//nolint:staticcheck // SA1019: the tests run where Go is installed
	archive, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = archive.Close() }) // it was only read
	var names []string
	seen := map[uint32]bool{}
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") && !seen[f.CRC32] {
			seen[f.CRC32] = true
			names = append(names, f.Name)
		}
	}
	if len(names) < 300 {
		t.Fatalf("only %d zones", len(names))
	}
	return names
}

// Every date in the calendar of a zone has exactly one resync, in every zone of the world
// and across every clock change.
func TestNoNightIsSkippedOrDoubled(t *testing.T) {
	t.Parallel()
	for _, name := range zones(t) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, fields := range []string{"30 4 * * *", "30 2 * * *", "0 0 * * *", "30 1 * * *"} {
			s, err := Parse("CRON_TZ=" + name + " " + fields)
			if err != nil {
				t.Fatal(err)
			}
			for _, day := range changes(zone) {
				at := s.Next(day.Add(12 * time.Hour))
				// A date without a zone: some zones have days without a midnight.
				date := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
				for range 8 {
					date = date.AddDate(0, 0, 1)
					if got, want := at.In(zone).Format(time.DateOnly), date.Format(time.DateOnly); got != want {
						t.Fatalf("%s, %s: got %s, want %s", name, fields, got, want)
					}
					at = s.Next(at)
				}
			}
		}
	}
}

// changes returns dates a few days before each clock change of a zone, from 2026 to 2028,
// and one date without a change nearby.
func changes(zone *time.Location) []time.Time {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, zone)
	days := []time.Time{at}
	for {
		_, ends := at.ZoneBounds()
		if ends.IsZero() || ends.Year() > 2028 {
			return days
		}
		days = append(days, time.Date(ends.Year(), ends.Month(), ends.Day()-4, 0, 0, 0, 0, zone))
		at = ends
	}
}

// For any time, Next returns the earliest later time, even if the schedule has several
// times in a missing or doubled hour.
func TestNextIsTheFirstOfAll(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(1, 2))
	for zone, from := range map[string]string{
		"Europe/Berlin": "2026-03-28", "America/New_York": "2026-11-01", "Australia/Lord_Howe": "2026-10-03",
		"America/Sao_Paulo": "2018-11-03", "Pacific/Apia": "2011-12-29", "Africa/Cairo": "2026-04-23", "America/Nuuk": "2026-03-28",
	} {
		for _, fields := range []string{"30 2 * * *", "*/20 0-2 * * *", "* 1-3 * * *", "59 23 * * *", "0 0 * * *"} {
			s, err := Parse("CRON_TZ=" + zone + " " + fields)
			if err != nil {
				t.Fatal(err)
			}
			day, err := time.ParseInLocation(time.DateOnly, from, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			var all []time.Time // from every local time
			for local := s.nextLocal(day.AddDate(0, 0, -3)); local.Before(day.AddDate(0, 0, 6)); local = s.nextLocal(local) {
				at, _ := instant(local, s.zone)
				all = append(all, at)
			}
			slices.SortFunc(all, time.Time.Compare)
			for range 300 {
				after := day.Add(time.Duration(dice.IntN(3*24*60)) * time.Minute)
				i := slices.IndexFunc(all, func(at time.Time) bool { return at.After(after) })
				if got := s.Next(after); !got.Equal(all[i]) {
					t.Fatalf("%s %s after %v: %v, want %v", zone, fields, after, got.UTC(), all[i].UTC())
				}
			}
		}
	}
}

func TestScheduleWhenClocksChange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ spec, after, want string }{
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"}, // the clock jumps from 2 to 3
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-29T01:10:00Z", "2026-03-29T01:30:00Z"}, // it is ten past three, local time
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"}, // half past two occurs twice
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"}, // in the repeated hour
		{"CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
		{"CRON_TZ=Australia/Lord_Howe 0 2 * * *", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"},  // half an hour is missing
		{"CRON_TZ=Australia/Lord_Howe 45 1 * * *", "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z"}, // and doubled
		{"CRON_TZ=Australia/Lord_Howe 45 1 * * *", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
		{"CRON_TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"}, // midnight is missing
		{"CRON_TZ=Africa/Cairo 0 0 * * *", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"},      // likewise
		{"CRON_TZ=Africa/Cairo 30 23 * * *", "2026-10-29T12:00:00Z", "2026-10-29T20:30:00Z"},    // doubled before midnight
		{"CRON_TZ=Africa/Cairo 30 23 * * *", "2026-10-29T20:30:00Z", "2026-10-30T21:30:00Z"},
		{"CRON_TZ=Pacific/Apia 30 4 * * *", "2011-12-29T14:30:00Z", "2011-12-30T14:30:00Z"}, // 30 December did not exist
		{"CRON_TZ=Pacific/Apia 30 4 * * *", "2011-12-30T14:30:00Z", "2011-12-31T14:30:00Z"},
		{"30 4 * * *", "2026-03-29T00:00:00Z", "2026-03-29T04:30:00Z"},
		{"TZ=Asia/Kathmandu @daily", "2026-03-29T00:00:00Z", "2026-03-29T18:15:00Z"},
		{"30 4 29 2 *", "2026-03-29T00:00:00Z", "2028-02-29T04:30:00Z"},
		{"30 4 29 2 *", "2096-03-29T00:00:00Z", "2104-02-29T04:30:00Z"}, // 2100 has none
		{"@every 6h", "2026-03-29T00:10:00Z", "2026-03-29T06:00:00Z"},
	} {
		s, err := Parse(tc.spec)
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
