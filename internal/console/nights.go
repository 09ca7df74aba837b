package console

import (
	"fmt"
	"math"
	"time"

	"github.com/halosync/halosync/repo"
)

// nightCount is how many days the chart of a connection's resyncs shows, today
// included. Days are UTC's.
const nightCount = 30

// Measures of the chart, in units of its view box.
const (
	chartWidth, chartHeight = 900, 136
	chartTop, chartBottom   = 24, 112 // between them the bars
	chartStep               = chartWidth / nightCount
)

// night is one day of the chart: its last resync.
type night struct {
	Day   time.Time
	Run   *repo.Run // nil: there was none
	Class string    // of the bar: the run's state, or "nothing"
	Mark  string    // above the bar, for those who do not see its colour
	Title string
	// Of the bar:
	X, Y, W, H, Middle float64
}

// nights is the chart and the table behind it.
type nights struct {
	Days       []night
	Runs       []repo.Run // all of those days, newest first
	Longest    string     // what the highest bar stands for
	Summary    string     // the chart in a sentence
	First      string
	Last       string
	Width      int
	Height     int
	Bottom     int
	HasResyncs bool
}

// firstNight is the start of the chart.
func firstNight(now time.Time) time.Time {
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-nightCount)
}

// chart lays out the resyncs of the last days, given newest first.
func chart(runs []repo.Run, now time.Time) nights {
	n := nights{Runs: runs, Width: chartWidth, Height: chartHeight, Bottom: chartBottom, HasResyncs: len(runs) > 0}
	last := make(map[time.Time]*repo.Run)
	longest := time.Duration(0)
	for i := range runs {
		day := runs[i].QueuedAt.UTC().Truncate(24 * time.Hour)
		if last[day] == nil {
			last[day] = &runs[i]
			longest = max(longest, tookOf(runs[i], now))
		}
	}
	day, good := firstNight(now), 0
	for i := range nightCount {
		bar := layNight(i, day, last[day], longest, now)
		if bar.Class == repo.StateSucceeded {
			good++
		}
		n.Days = append(n.Days, bar)
		day = day.AddDate(0, 0, 1)
	}
	n.First, n.Last = n.Days[0].Day.Format("2 Jan"), n.Days[nightCount-1].Day.Format("2 Jan")
	n.Longest = longest.Round(100 * time.Millisecond).String()
	n.Summary = fmt.Sprintf("Resyncs of the last %d days: on %s one succeeded, on %s the last one did not, on %s there was none.",
		nightCount, plural(good, "day", "days"), plural(len(last)-good, "day", "days"), plural(nightCount-len(last), "day", "days"))
	return n
}

// layNight places the bar of one day. Its height is the square root of how
// long the resync took, so that a short one beside a long one can be seen.
func layNight(i int, day time.Time, run *repo.Run, longest time.Duration, now time.Time) night {
	bar := night{Day: day, Run: run, Class: "nothing", H: 2, W: chartStep - 8, X: float64(i*chartStep) + 4}
	bar.Title = day.Format("2 Jan") + ": no resync"
	if run != nil {
		took := tookOf(*run, now)
		bar.Class, bar.Mark = run.State, nightMarks[run.State]
		bar.Title = fmt.Sprintf("%s: %s, took %s", day.Format("2 Jan"), run.State, took.Round(100*time.Millisecond))
		share := 1.0
		if longest > 0 {
			share = math.Sqrt(float64(took) / float64(longest))
		}
		bar.H = max(8, math.Round(share*(chartBottom-chartTop)))
	}
	bar.Y, bar.Middle = chartBottom-bar.H, bar.X+bar.W/2
	return bar
}

var nightMarks = map[string]string{
	repo.StateFailed: "×", repo.StatePartial: "!", repo.StateHeld: "!", repo.StateCancelled: "–",
}

// tookOf is the time from a run's start to its end, or to now.
func tookOf(r repo.Run, now time.Time) time.Duration {
	if r.StartedAt == nil {
		return 0
	}
	end := now
	if r.FinishedAt != nil {
		end = *r.FinishedAt
	}
	return max(0, end.Sub(*r.StartedAt))
}
