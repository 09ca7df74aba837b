package schedule

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// A connection has one slot for each time of its schedule, wherever planning starts and
// even if the times are unevenly spaced.
func TestUnevenSchedulesAreNotDoubled(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	end := begin.Add(60 * 24 * time.Hour)
	for _, spec := range []string{"0 1,2 * * *", "30 4 * * *", "0 4 * * 1,2", "0,5 3 * * *", "@every 90m"} {
		schedule, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for at := schedule.Next(begin); at.Before(end); at = schedule.Next(at) {
			want++
		}
		for range 60 {
			s := Slots{schedule, uuid.New(), time.Hour}
			runs := 0
			for at := s.Next(begin); at.Before(end); at = s.Next(at) { // planned again each time, as in the scheduler
				runs++
			}
			if runs < want-1 || runs > want+1 { // one slot may be shifted across either end
				t.Fatalf("%s: %d runs for %d times", spec, runs, want)
			}
		}
	}
}

// If planning happens after the clock is put forward but before the shifted time, Next
// still finds that night's time.
func TestPlanInTheHourThatSpringSkips(t *testing.T) {
	t.Parallel()
	s, err := Parse("CRON_TZ=Europe/Berlin 30 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	for _, minute := range []int{-1, 0, 10, 29} {
		after := time.Date(2026, 3, 29, 1, minute, 0, 0, time.UTC)
		if got := s.Next(after); !got.Equal(want) {
			t.Errorf("after %v: %v, want %v", after, got.UTC(), want)
		}
	}
	if got, next := s.Next(want), time.Date(2026, 3, 30, 0, 30, 0, 0, time.UTC); !got.Equal(next) {
		t.Errorf("the night after: %v, want %v", got.UTC(), next)
	}
}
