package console

import (
	"fmt"
	"math"
	"time"

	"github.com/halosync/halosync/repo"
)

// chartDays is the number of days in the resync chart, including today. Days are in UTC.
const chartDays = 30

// Dimensions of the chart, in units of its view box.
const (
	chartWidth, chartHeight = 900, 136
	chartTop, chartBottom   = 24, 112 // limits of the bars
	chartStep               = chartWidth / chartDays
)

// resyncBar is the bar of a day. It shows the last resync of that day.
type resyncBar struct {
	Day   time.Time
	Run   *repo.Run // nil if the day had no resync
	Class string    // CSS class of the bar: the run's state, or "nothing"
	Mark  string    // sign above the bar, because colour alone is not accessible
	Title string
	// Position and size of the bar:
	X, Y, W, H, Middle float64
}

// resyncChart is the chart of the latest resyncs and the table of the same runs.
type resyncChart struct {
	Days       []resyncBar
	Runs       []repo.Run // all resyncs of those days, newest first
	Longest    string     // duration of the highest bar
	Summary    string     // the chart in words
	First      string
	Last       string
	Width      int
	Height     int
	Bottom     int
	HasResyncs bool
}

// chartStart returns the first day of the chart.
func chartStart(now time.Time) time.Time {
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-chartDays)
}

// chart returns the chart of the given runs. The runs must be sorted newest first.
func chart(runs []repo.Run, now time.Time) resyncChart {
	n := resyncChart{Runs: runs, Width: chartWidth, Height: chartHeight, Bottom: chartBottom, HasResyncs: len(runs) > 0}
	last := make(map[time.Time]*repo.Run)
	longest := time.Duration(0)
	for i := range runs {
		day := runs[i].QueuedAt.UTC().Truncate(24 * time.Hour)
		if last[day] == nil {
			last[day] = &runs[i]
			longest = max(longest, tookOf(runs[i], now))
		}
	}
	day, good := chartStart(now), 0
	for i := range chartDays {
		bar := layBar(i, day, last[day], longest, now)
		if bar.Run != nil && bar.Run.State == repo.StateSucceeded {
			good++
		}
		n.Days = append(n.Days, bar)
		day = day.AddDate(0, 0, 1)
	}
	n.First, n.Last = n.Days[0].Day.Format("2 Jan"), n.Days[chartDays-1].Day.Format("2 Jan")
	n.Longest = longest.Round(100 * time.Millisecond).String()
	n.Summary = fmt.Sprintf("Daily resyncs of the last %d days: successful on %s, unsuccessful on %s, none on %s.",
		chartDays, plural(good, "day", "days"), plural(len(last)-good, "day", "days"), plural(chartDays-len(last), "day", "days"))
	return n
}

// layBar returns the bar of a day. The height grows with the square root of the duration,
// so that short resyncs are visible next to long ones.
func layBar(i int, day time.Time, run *repo.Run, longest time.Duration, now time.Time) resyncBar {
	bar := resyncBar{Day: day, Run: run, Class: "nothing", H: 2, W: chartStep - 8, X: float64(i*chartStep) + 4}
	bar.Title = day.Format("2 Jan") + ": no resync"
	if run != nil {
		took := tookOf(*run, now)
		bar.Class, bar.Mark = string(run.State), chartMarks[run.State]
		bar.Title = fmt.Sprintf("%s: %s, took %s", day.Format("2 Jan"), run.State, took.Round(100*time.Millisecond))
		if run.Error != "" {
			bar.Title += ": " + run.Error
		}
		share := 1.0
		if longest > 0 {
			share = math.Sqrt(float64(took) / float64(longest))
		}
		bar.H = max(8, math.Round(share*(chartBottom-chartTop)))
	}
	bar.Y, bar.Middle = chartBottom-bar.H, bar.X+bar.W/2
	return bar
}

var chartMarks = map[repo.RunState]string{
	repo.StateFailed: "×", repo.StatePartial: "!", repo.StateHeld: "!", repo.StateCancelled: "–",
}

// tookOf returns the duration of a run or, if the run has not ended, the time since its
// start.
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
