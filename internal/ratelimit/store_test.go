package ratelimit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	testLimit  = 200
	testWindow = 10 * time.Second
)

func ask(class Class) call {
	return call{class: class, limit: testLimit, window: testWindow.Microseconds()}
}

// maxInWindow returns the largest number of times in any window.
func maxInWindow(times []int64, window time.Duration) int {
	slices.Sort(times)
	greatest, first := 0, 0
	for i, at := range times {
		for times[first] <= at-window.Microseconds() {
			first++
		}
		greatest = max(greatest, i-first+1)
	}
	return greatest
}

// No window holds more requests than the limit, and no more background requests than
// the limit minus the reserve.
func TestNoWindowHoldsMore(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		dice := rand.New(rand.NewPCG(3, 14))
		var all, background []int64
		for range 4000 {
			class := Class(dice.IntN(2))
			if got := b.must(ask(class)); got.outcome == granted {
				all = append(all, b.now+got.wait)
				if class == Background {
					background = append(background, b.now+got.wait)
				}
			}
			switch dice.IntN(40) {
			case 0:
				b.advance(time.Duration(dice.Int64N(int64(4 * time.Second))))
			case 1, 2, 3, 4, 5:
				b.advance(time.Duration(dice.Int64N(int64(100 * time.Millisecond))))
			}
		}
		if n := maxInWindow(all, testWindow); n != testLimit {
			t.Errorf("%d requests in the fullest window, want %d", n, testLimit)
		}
		if n := maxInWindow(background, testWindow); n > testLimit-6 {
			t.Errorf("%d background requests in the fullest window", n)
		}
	})
}

// Background work alone uses at least 95 % of the limit in each window. After the first
// half window, requests never pause for long.
func TestBackgroundUsesTheBudget(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		const windows = 5
		var times []int64
		for b.now < dawn+windows*testWindow.Microseconds() {
			got := b.must(ask(Background))
			if got.outcome == granted {
				times = append(times, b.now+got.wait)
			}
			b.advance(time.Duration(got.wait) * time.Microsecond) // one after another
		}
		for w := range int64(windows) {
			n := 0
			for _, at := range times {
				if (at-dawn)/testWindow.Microseconds() == w {
					n++
				}
			}
			if n < testLimit*95/100 {
				t.Errorf("%d requests in window %d", n, w+1)
			}
		}
		for i := testLimit / 2; i < len(times); i++ {
			if gap := time.Duration(times[i]-times[i-1]) * time.Microsecond; gap > testWindow/15 {
				t.Errorf("pause of %v before request %d", gap, i)
			}
		}
	})
}

// While background work uses the whole common pool, an interactive request does not
// wait. If the reserve is also used up, an interactive request soon gets a turn.
func TestReserveIsForPeople(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		for b.must(ask(Background)).outcome == granted { // reserve turns as far ahead as possible
		}
		for i := range 6 {
			if got := b.must(ask(Interactive)); got.outcome != granted || got.wait != 0 || got.pool != reserve {
				t.Fatalf("interactive request %d: %+v", i+1, got)
			}
		}
		if got := b.must(ask(Interactive)); got.wait == 0 {
			t.Errorf("request beyond the reserve: %+v", got)
		}
		b.advance(time.Second) // the common pool has a turn shortly afterwards
		if got := b.must(ask(Interactive)); got.outcome != granted || got.pool != common {
			t.Errorf("after the wait: %+v", got)
		}
	})
}

// Limits that are too small for a reserve still allow background work.
func TestSmallLimits(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		for _, limit := range []int64{1, 2, 3} {
			b.flush()
			n := 0
			for range 2 * limit {
				if b.must(call{limit: limit, window: testWindow.Microseconds()}).wait == 0 {
					n++
				}
			}
			if want := max(1, limit-1); int64(n) != want {
				t.Errorf("limit %d: %d at once, want %d", limit, n, want)
			}
		}
	})
}

func TestThrottledPausesEverybody(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		b.must(ask(Background))
		b.strike(0, testWindow, 3*time.Second)
		b.strike(0, testWindow, time.Second) // a shorter pause does not replace a longer one
		for _, class := range []Class{Background, Interactive} {
			if got := b.must(ask(class)); got.outcome != granted || got.wait != 3e6 {
				t.Errorf("%v: %+v, want a turn in 3 s", class, got)
			}
		}
		b.strike(0, testWindow, time.Minute)
		if got := b.must(ask(Interactive)); got.outcome != refused || got.wait != 60e6 {
			t.Errorf("%+v, want a refusal for a minute", got)
		}
		b.strike(0, testWindow, 20*time.Hour)
		if got := b.must(ask(Interactive)); got.wait != maxPause.Microseconds() {
			t.Errorf("%+v, want a refusal for %v", got, maxPause)
		}
	})
}

// room counts the background requests that get a turn one after another within the next
// window. It advances the clock by that window.
func (b *bench) room() (n int) {
	b.t.Helper()
	for end := b.now + testWindow.Microseconds(); b.now < end; n++ {
		got := b.must(ask(Background))
		if got.outcome != granted {
			n--
		}
		b.advance(time.Duration(got.wait) * time.Microsecond)
	}
	return n
}

// Each burst of 429s lowers the limit by a tenth, down to at least a tenth of the
// configured limit. Each window raises the limit by 1 %.
func TestThrottledLowersTheLimit(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		lowered := 0
		for range 5 {
			if b.strike(time.Second, testWindow, time.Second) {
				lowered++
			}
			b.advance(100 * time.Millisecond)
		}
		// The requests whose turns are already reserved are sent slightly later.
		b.advance(4 * time.Second)
		if b.strike(0, testWindow, time.Second) {
			lowered++
		}
		if lowered != 1 {
			t.Errorf("one burst lowered the limit %d times", lowered)
		}
		full := testLimit * 9 / 10
		count := func(what string, limit int) {
			t.Helper()
			want := limit - int(reserveOf(int64(limit)))
			if n := b.room(); n < want-4 || n > want+4 { // the limit recovers while the requests are counted
				t.Errorf("%s: room for %d requests, want about %d", what, n, want)
			}
		}
		b.advance(2 * time.Second)
		count("after the burst", full)
		b.advance(9 * testWindow)
		count("nine windows later", testLimit*99/100)
		b.advance(2 * testWindow)
		count("all forgotten", testLimit)

		for range 40 {
			b.strike(0, testWindow, time.Second)
			b.advance(6 * time.Second)
		}
		count("at the minimum", testLimit/10)
		b.advance(95 * testWindow)
		count("long after", testLimit)
	})
}

// After a loss, a new state does not start with an unused budget, because callers must
// first report their grants. Until the settle time ends, only interactive requests get
// turns, which come from the reserve.
func TestLostStateIsToldAgain(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		first := b.must(ask(Background))
		var own [2][]int64 // grants of the two processes
		for i := range 180 {
			got := b.must(call{limit: testLimit, window: testWindow.Microseconds(), epoch: first.epoch, used: true})
			own[i%2] = append(own[i%2], b.now+got.wait)
		}
		all := slices.Concat(own[0], own[1])
		b.advance(time.Second)
		b.flush()

		var epoch int64
		for process := range own {
			c := ask(Background)
			c.epoch, c.used = first.epoch, true
			got := b.must(c)
			if got.outcome != unknown || got.epoch == first.epoch {
				t.Fatalf("process %d: %+v, want a request to report", process, got)
			}
			for _, at := range own[process] {
				c.report = append(c.report, grant{common, b.now - at})
			}
			c.whole = true
			if got = b.must(c); got.outcome != refused || got.wait > settleTime.Microseconds() {
				t.Errorf("process %d: %+v, want a refusal until all have reported", process, got)
			}
			epoch = got.epoch
			b.advance(100 * time.Millisecond)
		}
		c := ask(Interactive)
		c.epoch = epoch
		if got := b.must(c); got.outcome != granted || got.wait != 0 {
			t.Errorf("interactive request: %+v", got)
		}
		all = append(all, b.now)
		for b.now < dawn+3*testWindow.Microseconds() {
			c := ask(Background)
			c.epoch, c.used = epoch, true
			got := b.must(c)
			if got.outcome == granted {
				all = append(all, b.now+got.wait)
			}
			b.advance(10 * time.Millisecond)
		}
		if n := maxInWindow(all, testWindow); n > testLimit || n < testLimit*9/10 {
			t.Errorf("%d requests in the fullest window, want nearly %d", n, testLimit)
		}
	})
}

// Grants that a process made without the store are reported with its next call to the
// store.
func TestOwnGrantsAreToldAfterwards(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		c := ask(Background)
		c.epoch = b.must(c).epoch
		c.used = true
		for i := range int64(50) {
			c.report = append(c.report, grant{common, i * 1000})
		}
		if got := b.must(c); got.outcome != granted {
			t.Errorf("%+v", got)
		}
		if n := b.room(); n < 90 || n > testLimit-50 {
			t.Errorf("room for %d requests, want %d minus 50", n, testLimit)
		}
	})
}

// After a failover to a server whose clock is behind, requests must not wait until the
// new clock reaches the old server's time.
func TestClockThatIsBehind(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		c := ask(Background)
		c.epoch = b.must(c).epoch
		b.strike(0, testWindow, 10*time.Minute)
		b.advance(11 * time.Minute)
		b.must(c)
		b.advance(-time.Hour)
		if got := b.must(c); got.outcome != granted || got.wait != 0 || got.epoch == c.epoch {
			t.Errorf("%+v, want a new state", got)
		}
	})
}

// If the rates for one instance differ, each request complies with its own rate, and
// all requests count.
func TestDifferentRatesCountTogether(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		low := call{limit: 20, window: testWindow.Microseconds()}
		for range 15 {
			b.must(ask(Background))
		}
		n := 0
		for b.must(low).outcome == granted {
			n++
		}
		if n > 5 {
			t.Errorf("%d requests at the low rate after 15 at the high one", n)
		}
		if got := b.must(ask(Background)); got.outcome != granted {
			t.Errorf("at the high rate: %+v", got)
		}
	})
}

// The budgets of different instances are independent.
func TestInstancesAreApart(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, b *bench) {
		b.strike(0, testWindow, time.Minute)
		got, err := b.ask(t.Context(), "another halo", ask(Background))
		if err != nil || got.outcome != granted || got.wait != 0 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
