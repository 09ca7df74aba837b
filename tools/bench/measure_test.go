package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		f           figures
		median, sum float64
	}{
		{nil, 0, 0},
		{figures{3}, 3, 3},
		{figures{9, 1, 2}, 2, 12},
		{figures{4, 1, 2, 9}, 3, 16},
	} {
		given := slices.Clone(tt.f)
		if got := tt.f.median(); got != tt.median {
			t.Errorf("median of %v: %v, want %v", tt.f, got, tt.median)
		}
		if got := tt.f.sum(); got != tt.sum {
			t.Errorf("sum of %v: %v, want %v", tt.f, got, tt.sum)
		}
		if !slices.Equal(given, tt.f) {
			t.Errorf("%v became %v: the order of the rounds is lost", given, tt.f)
		}
	}
	samples := []sample{{Wall: time.Second, CPU: 2 * time.Second, Other: map[string]float64{"x": 7}}, {Wall: 3 * time.Second}}
	for what, got := range map[string][2]figures{
		"walls": {walls(samples), {1, 3}}, "cpus": {cpus(samples), {2, 0}}, "other": {other(samples, "x"), {7, 0}},
	} {
		if !slices.Equal(got[0], got[1]) {
			t.Errorf("%s: %v, want %v", what, got[0], got[1])
		}
	}
}

func TestRowsRewritten(t *testing.T) {
	t.Parallel()
	s := []sample{{Other: map[string]float64{
		keyRows("clients", "inserted"): 1, keyRows("clients", "updated"): 2, keyRows("clients", "deleted"): 4, keyRows("runs", "updated"): 8,
	}}}
	if got := rewritten(s, "clients", "companies").sum(); got != 7 {
		t.Errorf("rows of clients and companies: %v, want 7", got)
	}
}

// TestCompare checks that the contenders run in turn and that the first round
// does not count.
func TestCompare(t *testing.T) {
	t.Parallel()
	var order []string
	runs := func(name string) contender {
		return contender{name, func(context.Context) (sample, error) {
			order = append(order, name)
			return sample{Wall: time.Duration(len(order))}, nil
		}}
	}
	for _, tt := range []struct {
		rounds int
		order  []string
		first  []time.Duration // wall times of the counted rounds of contender a
	}{
		{2, []string{"a", "b", "a", "b", "a", "b"}, []time.Duration{3, 5}},
		{0, []string{"a", "b"}, []time.Duration{1}},
	} {
		order = nil
		taken, err := compare(t.Context(), tt.rounds, runs("a"), runs("b"))
		if err != nil {
			t.Fatal(err)
		}
		var first []time.Duration
		for _, s := range taken["a"] {
			first = append(first, s.Wall)
		}
		if !slices.Equal(order, tt.order) || !slices.Equal(first, tt.first) || len(taken["b"]) != len(first) {
			t.Errorf("%d rounds: ran %v and counted %v of a, want %v and %v", tt.rounds, order, first, tt.order, tt.first)
		}
	}
	broken := errors.New("broken")
	_, err := compare(t.Context(), 1, contender{"c", func(context.Context) (sample, error) { return sample{}, broken }})
	if !errors.Is(err, broken) || err.Error() != "c: broken" {
		t.Errorf("a contender that fails: %v", err)
	}
}

func TestOwnProcessIsMeasured(t *testing.T) {
	t.Parallel()
	onLinux(t)
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	used := usage()
	for n := 1; usage()-used < 10*time.Second/ticks; n++ { // until both clocks have advanced
		_ = make([]byte, n%1000)
	}
	after, err := cpuOf(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("CPU time went from %v to %v (%v) in a tenth of a second of work", before, after, err)
	}
	peak, err := peakOf(os.Getpid())
	if err != nil || peak < 1<<20 || peak > 1<<40 {
		t.Errorf("peak %d bytes, %v", peak, err)
	}
}

func TestNoProcess(t *testing.T) {
	t.Parallel()
	if d, err := cpuOf(-1); err == nil {
		t.Errorf("CPU time of no process: %v", d)
	}
	if n, err := peakOf(-1); err == nil {
		t.Errorf("peak of no process: %v", n)
	}
}

func TestShortestTimes(t *testing.T) {
	t.Parallel()
	for rows, pages := range map[int]int{1: 1, 100: 1, 101: 2, 10_000: 100} {
		if got := pagesOf(rows); got != pages {
			t.Errorf("%d rows are %d pages, want %d", rows, got, pages)
		}
	}
	if got := minLatency(100, 4, 50*time.Millisecond); got != 1250*time.Millisecond {
		t.Errorf("100 pages of 50 ms, 4 at once: %v", got)
	}
	// The whole budget may be used at once. The next request then waits for a
	// new window.
	for requests, least := range map[int]time.Duration{0: 0, 1: 0, 50: 0, 51: time.Second, 100: time.Second, 1003: 20 * time.Second} {
		if got := minUnderBudget(requests); got != least {
			t.Errorf("%d requests: %v at least, want %v", requests, got, least)
		}
	}
	if got := onBudget(75); got != 1500*time.Millisecond {
		t.Errorf("75 requests at the budget's rate: %v", got)
	}
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	var a arrivals
	start := time.Now()
	for _, r := range []halotest.Request{
		{Route: halotest.RouteToken, Status: 200, Start: start.Add(-time.Second)},
		{Route: halotest.RouteDetail, Status: 429, Start: start.Add(1500 * time.Millisecond)},
		{Route: halotest.RouteList, Status: 200, Start: start},
		{Route: halotest.RouteList, Status: 200, Start: start.Add(time.Second)},
	} {
		a.note(r)
	}
	at, refused := a.all()
	if len(at) != 3 || refused != 1 || !slices.IsSortedFunc(at, time.Time.Compare) {
		t.Errorf("%d requests %v, %d refused; want 3 ascending, 1", len(at), at, refused)
	}
	if rest := after(at, time.Second); len(rest) != 2 || !rest[0].Equal(start.Add(time.Second)) {
		t.Errorf("after the first second: %v", rest)
	}
	if rest := after(at, time.Minute); rest != nil {
		t.Errorf("after the first minute: %v", rest)
	}
	a.reset()
	if at, refused = a.all(); len(at) != 0 || refused != 0 {
		t.Errorf("after a reset: %v, %d", at, refused)
	}
}
