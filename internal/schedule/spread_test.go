package schedule

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// Ten thousand connections start over the whole window, each at the same time every night
// and never later than halfway to the next start.
func TestStartsAreSpread(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	nightly, err := Parse("30 4 * * *")
	if err != nil {
		t.Fatal(err)
	}
	const connections = 10_000
	perMinute := map[int]int{}
	for range connections {
		s := Slots{nightly, uuid.New(), time.Hour}
		first := s.Next(now)
		if again := s.Next(first); again.Sub(first) != 24*time.Hour {
			t.Fatalf("%v, then %v", first, again)
		}
		if s.Missed(first, first.Add(72*time.Hour)) != 3 || s.Missed(first, first.Add(23*time.Hour)) != 0 {
			t.Fatal("the number of missed nights is wrong")
		}
		perMinute[int(first.Sub(time.Date(2026, 5, 2, 4, 30, 0, 0, time.UTC)).Minutes())]++
	}
	for minute := range 60 {
		if n := perMinute[minute]; n < connections/60/2 || n > connections/60*2 {
			t.Errorf("%d start in minute %d, want about %d", n, minute, connections/60)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for range 1000 {
		id := uuid.New()
		hour, day := spread(id, time.Hour, 24*time.Hour), spread(id, time.Hour, 23*time.Hour)
		if hour != day || hour < 0 || hour >= time.Hour || hour != hour.Truncate(time.Second) {
			t.Fatalf("delays for days of 24 and 23 hours: %v and %v", hour, day)
		}
		if d := spread(id, time.Hour, 10*time.Minute); d < 0 || d >= 5*time.Minute {
			t.Fatalf("a delay of %v within ten minutes", d)
		}
		if d := spread(id, 0, time.Hour); d != 0 {
			t.Fatalf("a delay of %v without a window", d)
		}
	}
}

// Every worker computes the same slots at any time: one for each time of the schedule,
// even if those are unevenly spaced.
func TestSlotsDoNotDependOnWhoPlans(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	for spec, perDay := range map[string]int{
		"0 1,2 * * *":                            2,
		"*/20 1,5 * * *":                         6,
		"CRON_TZ=Europe/Berlin 0,50 2,23 * * *":  4,
		"@every 8h":                              3,
		"CRON_TZ=Australia/Lord_Howe 15 2 * * *": 1,
	} {
		schedule, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			s := Slots{schedule, uuid.New(), 12 * time.Hour}
			var all []time.Time
			for slot := range s.from(from) {
				if len(all) > 0 && !slot.After(all[len(all)-1]) {
					t.Fatalf("%s: %v after %v", spec, slot, all[len(all)-1])
				}
				if all = append(all, slot); len(all) == 20*perDay {
					break
				}
			}
			at, i := from, 0
			for ; at.Before(all[len(all)-1]); at = at.Add(31 * time.Minute) {
				for !all[i].After(at) {
					i++
				}
				if got := s.Next(at); !got.Equal(all[i]) {
					t.Fatalf("%s: next after %v is %v, want %v", spec, at, got, all[i])
				}
			}
			if days := all[len(all)-1].Sub(from).Hours() / 24; days < 18 || days > 21 {
				t.Errorf("%s: %d slots in %.1f days", spec, len(all), days)
			}
			if n := s.Missed(all[0], all[9]); n != 9 {
				t.Errorf("%s: %d missed of 9", spec, n)
			}
		}
	}
}
