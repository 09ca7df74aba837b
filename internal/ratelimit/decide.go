package ratelimit

import (
	"slices"
	"time"
)

// All times in this file are microseconds on the clock of the store, which is the clock
// of Redis or of this process. The scripts ask.lua and throttled.lua make the same
// decisions, to the microsecond. A test compares them with the functions in this file.

// Class is the priority of a request.
type Class int

// Background requests leave the reserve unused. Interactive requests may use the whole
// budget.
const (
	Background Class = iota
	Interactive
)

// String returns the name of the class for metrics.
func (c Class) String() string {
	if c == Interactive {
		return "person"
	}
	return "background"
}

const (
	// maxSleep is the maximum time that a request sleeps until its turn.
	maxSleep = 5 * time.Second
	// settleTime is how long processes have to report their grants after the state was
	// lost. It is longer than maxSleep.
	settleTime = maxSleep + time.Second
	// maxPause limits the pause after a 429, even if Halo requests a longer one.
	maxPause = 15 * time.Minute
	// clockSlip is how far in the future a stored time may be. A time further in the
	// future was stored by another clock.
	clockSlip = time.Second

	// minSpread is the smallest limit for which requests are spread over the window.
	minSpread = 20

	// The learned limit in thousandths of the configured limit: the full value, the
	// part that remains after a 429, the minimum, and the increase for each window
	// without a 429.
	learnedFull = 1000
	learnedCut  = 900
	learnedMin  = 100
	learnedBack = 10
)

// pool is a part of the budget with its own log, which is sorted by time. The sizes of
// the two pools add up to the limit, so no window holds more requests than the limit.
type pool int

const (
	common  pool = iota // for requests of both classes
	reserve             // for interactive requests
)

// state is the state of one instance's budget. The zero value means no state.
type state struct {
	epoch   int64      // creation time, which identifies the state; 0 for no state
	keep    int64      // how long grants are kept, which is the longest window requested so far
	grants  [2][]int64 // times of the granted requests for each pool, ascending
	pause   int64      // no requests are granted before this time
	learned int64      // the limit, in thousandths of the configured limit, as of the time in the field cut; 0 for the full limit
	cut     int64      // time of the last 429 that lowered the limit
	calm    int64      // 429s for requests sent before this time count as part of the last burst
	settle  int64      // only requests from the reserve are granted before this time; 0 if no state was lost
}

// call is a request for one grant.
type call struct {
	class  Class
	limit  int64 // requests per window
	window int64
	epoch  int64   // epoch of the state that the caller last used; 0 for none
	used   bool    // whether the caller has grants in the last window
	report []grant // the caller's grants that the state lacks
	whole  bool    // whether report contains all of the caller's grants
}

// grant is one of the caller's granted requests, with a time relative to now.
type grant struct {
	pool pool
	age  int64 // negative if in the future
}

// outcome is the decision about a call.
type outcome int

const (
	granted outcome = iota
	refused         // the turn would be more than maxSleep from now
	unknown         // the caller last used another state and must report its grants
)

// answer is the result of a call.
type answer struct {
	outcome outcome
	wait    int64 // time until the request's turn
	epoch   int64
	pool    pool
}

// reserveOf returns the part of a limit that is reserved for interactive requests: 3 %,
// but at least one request. Background work alone can therefore use more than 95 % of a
// large limit.
func reserveOf(limit int64) int64 {
	if limit < 2 {
		return 0
	}
	return max(1, limit*3/100)
}

// effective returns the current limit. A 429 lowers the limit, which then recovers over
// time.
func (s *state) effective(limit, window, now int64) int64 {
	return max(1, limit*s.factor(window, now)/learnedFull)
}

func (s *state) factor(window, now int64) int64 {
	if s.learned == 0 {
		return learnedFull
	}
	return min(learnedFull, s.learned+learnedBack*(max(0, now-s.cut)/window))
}

// ask decides about a call. If it grants the call, it records the grant.
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

// next returns the earliest time for another request such that no window holds more
// than n requests. The result is neither earlier than the argument from nor earlier than
// the last request in the log.
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

// spread does the same as next until half of n is used. It then spreads the remaining
// requests over the time until the first request leaves the window. The gap between
// requests is at least 0.95 × window / n. Without gaps, a burst of n requests would be
// followed by silence and, one window later, by another burst. With gaps, the next turn is
// always soon.
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

// merge adds the reported grants to the logs.
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

// forget drops grants that are older than every window. It creates the state if there
// is none. It also replaces a state whose times come from another clock: after a failover
// to a server whose clock is behind, such a state would block all requests. The callers
// treat this replacement like any other loss of the state.
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

// spent reports whether the state permits the same requests as an empty state. Such a
// state has no grant in its longest window, no pause and no lowered limit.
func (s *state) spent(now int64) bool {
	newest := max(last(s.grants[common]), last(s.grants[reserve]))
	return newest <= now-s.keep && s.pause <= now && s.settle <= now && s.calm <= now &&
		(s.learned == 0 || s.keep > 0 && s.factor(s.keep, now) == learnedFull)
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

// throttled records a 429 for a request of the given age, and stops all requests for the
// duration pause. It reports whether it lowered the limit. It lowers the limit only once
// for all requests that were granted before the 429 was known.
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
