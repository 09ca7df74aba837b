package ratelimit

import (
	"slices"
	"time"
)

// All times in this file are microseconds on the clock of the store: that of Redis or of
// this process. ask.lua and throttled.lua make the same decisions, to the microsecond; a
// test compares them.

// Class is the priority of a request.
type Class int

// Background requests leave a reserve. Interactive requests may use all of the budget.
const (
	Background Class = iota
	Interactive
)

// String returns the class as metrics name it.
func (c Class) String() string {
	if c == Interactive {
		return "person"
	}
	return "background"
}

const (
	// maxSleep is the longest time that a request sleeps until its reserved turn.
	maxSleep = 5 * time.Second
	// settleTime is how long processes have to report their grants after the state was
	// lost. It is longer than any sleep.
	settleTime = maxSleep + time.Second
	// maxPause bounds the pause after a 429, whatever Halo asks for.
	maxPause = 15 * time.Minute
	// clockSlip is how far in the future a time may be. A later one comes from another
	// clock.
	clockSlip = time.Second

	// minSpread is the smallest limit that is spread over its window.
	minSpread = 20

	// The learned limit in thousandths of the configured one: what a 429 leaves of it,
	// its minimum, and what each window without a 429 adds.
	learnedFull = 1000
	learnedCut  = 900
	learnedMin  = 100
	learnedBack = 10
)

// pool is a part of the budget with its own log, in order of time. The sizes of both pools
// add up to the limit, so no window holds more than the limit.
type pool int

const (
	common  pool = iota // for all requests
	reserve             // for people
)

// state is the state of one instance's budget. The zero value is no state.
type state struct {
	epoch   int64      // when the state was created, which identifies it; 0: no state
	keep    int64      // how long grants are kept: the longest window requested
	grants  [2][]int64 // times of the requests, by pool, ascending
	pause   int64      // no request before this time
	learned int64      // thousandths of the limit, at the time cut; 0: all
	cut     int64      // time of the last 429 that lowered the limit
	calm    int64      // 429s of requests before this time count as that one
	settle  int64      // only the reserve is granted before this time; 0: no state was lost
}

// call is a request for one grant.
type call struct {
	class  Class
	limit  int64 // requests in a window
	window int64
	epoch  int64   // of the state that the caller used last; 0: none
	used   bool    // the caller has grants in the last window
	report []grant // the caller's grants that the state does not have
	whole  bool    // report holds all of the caller's grants
}

// grant is one of the caller's requests, at a time relative to now.
type grant struct {
	pool pool
	age  int64 // negative: still to come
}

// outcome is the decision about a call.
type outcome int

const (
	granted outcome = iota
	refused         // the turn is further away than maxSleep
	unknown         // the state is not the one of the caller, who must report its grants
)

// answer is the result of a call.
type answer struct {
	outcome outcome
	wait    int64 // time until the turn
	epoch   int64
	pool    pool
}

// reserveOf returns the part of a limit that is kept for people: 3 %, at least one request.
// Background work alone can use more than 95 %.
func reserveOf(limit int64) int64 {
	if limit < 2 {
		return 0
	}
	return max(1, limit*3/100)
}

// effective returns the current limit. 429s lower it, and it recovers with time.
func (s *state) effective(limit, window, now int64) int64 {
	return max(1, limit*s.factor(window, now)/learnedFull)
}

func (s *state) factor(window, now int64) int64 {
	if s.learned == 0 {
		return learnedFull
	}
	return min(learnedFull, s.learned+learnedBack*(max(0, now-s.cut)/window))
}

// ask decides about a call and records the grant.
func (s *state) ask(now int64, c call) answer {
	s.forget(now, c.window)
	if s.epoch != c.epoch && c.used {
		if !c.whole {
			return answer{outcome: unknown, epoch: s.epoch}
		}
		if s.settle == 0 {
			s.settle = now + settleTime.Microseconds()
		}
	}
	s.merge(now, c.report)

	limit := s.effective(c.limit, c.window, now)
	kept := reserveOf(limit)
	from := max(now, s.pause)
	turn, chosen := spread(s.grants[common], limit-kept, c.window, max(from, s.settle)), common
	if c.class == Interactive && kept > 0 && turn > now {
		if early := next(s.grants[reserve], kept, c.window, from); early < turn {
			turn, chosen = early, reserve
		}
	}
	if turn-now > maxSleep.Microseconds() {
		return answer{outcome: refused, wait: turn - now, epoch: s.epoch}
	}
	s.grants[chosen] = append(s.grants[chosen], turn)
	return answer{wait: turn - now, epoch: s.epoch, pool: chosen}
}

// next returns the earliest time for another request, at or after from and the last
// request of the log, that keeps every window within n.
func next(log []int64, n, window, from int64) int64 {
	turn, size := from, int64(len(log))
	if size > 0 {
		turn = max(turn, log[size-1])
	}
	if size >= n {
		turn = max(turn, log[size-n]+window)
	}
	return turn
}

// spread is like next, but once half of n is used, it spreads the rest over the time until
// the first request leaves the window. The gap is at least 95 % of the window divided by
// n. Without it, a burst of n requests would be followed by silence, and by the same burst
// a window later. With it, there is always a turn soon.
func spread(log []int64, n, window, from int64) int64 {
	turn, size, half := next(log, n, window, from), int64(len(log)), n/2
	if n < minSpread || size < half || log[size-half]+window <= turn {
		return turn
	}
	gap := window * 95 / 100 / n
	if size < n {
		gap = max(gap, (log[0]+window-turn)/(n-size+1))
	}
	return max(turn, log[size-1]+gap)
}

// merge adds the grants that a caller reports.
func (s *state) merge(now int64, report []grant) {
	var unordered [2]bool
	for _, g := range report {
		at, log := now-g.age, s.grants[g.pool]
		unordered[g.pool] = unordered[g.pool] || at < last(log)
		s.grants[g.pool] = append(log, at)
	}
	for p, log := range s.grants {
		if unordered[p] {
			slices.Sort(log)
		}
	}
}

// forget drops grants that are older than any window. It replaces a state from another
// clock, which would block all requests after a failover to a server whose clock is
// behind; the callers notice that loss like any other. It creates a missing state.
func (s *state) forget(now, window int64) {
	newest := max(last(s.grants[common]), last(s.grants[reserve]))
	if s.epoch == 0 || newest > now+(maxSleep+clockSlip).Microseconds() {
		*s = state{epoch: now}
	}
	s.keep = max(s.keep, window)
	s.pause = sane(s.pause, now, maxPause)
	s.settle = sane(s.settle, now, settleTime)
	for i, log := range s.grants {
		old, _ := slices.BinarySearch(log, now-s.keep)
		s.grants[i] = log[old:]
	}
}

// sane returns t, or 0 if t is more than maxAhead in the future.
func sane(t, now int64, maxAhead time.Duration) int64 {
	if t > now+(maxAhead+clockSlip).Microseconds() {
		return 0
	}
	return t
}

func last(log []int64) int64 {
	if len(log) == 0 {
		return 0
	}
	return log[len(log)-1]
}

// throttled records a 429 for a request that was sent age ago. It stops all requests for
// pause and lowers the limit, once for all requests that were granted before the 429 was
// known. It reports whether it lowered the limit.
func (s *state) throttled(now, age, window, pause int64) bool {
	s.forget(now, window)
	s.pause = max(s.pause, now+min(pause, maxPause.Microseconds()))
	if now-age < sane(s.calm, now, maxPause+maxSleep) {
		return false
	}
	s.learned = max(learnedMin, s.factor(window, now)*learnedCut/1000)
	s.cut = now
	s.calm = max(s.pause, now+maxSleep.Microseconds())
	return true
}
