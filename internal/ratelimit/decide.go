package ratelimit

import (
	"slices"
	"time"
)

// All times in this file are microseconds on the clock of whoever keeps the
// state: Redis' own, or this process's. ask.lua and throttled.lua decide the
// same, to the microsecond; a test compares them.

// Class says for whom a request is made.
type Class int

// Background requests leave a reserve; a Person's may use everything.
const (
	Background Class = iota
	Person
)

// String is the class as metrics name it.
func (c Class) String() string {
	if c == Person {
		return "person"
	}
	return "background"
}

const (
	// maxSleep is how long a request waits for its turn at most. Its turn is
	// reserved meanwhile.
	maxSleep = 5 * time.Second
	// settleTime is what everybody gets, after the state was lost, to tell what
	// they have used; longer than anybody sleeps on a reservation.
	settleTime = maxSleep + time.Second
	// maxPause bounds the pause after a 429, whatever Halo asks for.
	maxPause = 15 * time.Minute
	// A state from the future, by more than that, was written by another clock.
	clockSlip = time.Second

	// leastSpread is the size from which a budget is spread over its window.
	leastSpread = 20

	// The learned limit, in thousandths of the configured one: what a 429
	// leaves of it, the least, and what comes back with each window without one.
	learnedFull  = 1000
	learnedCut   = 900
	learnedLeast = 100
	learnedBack  = 10
)

// pool is a part of the budget with a log of its own. Each log is in order of
// time, and the sizes of both pools add up to the limit, so that no window
// holds more than that, whoever draws from which.
type pool int

const (
	common  pool = iota // anybody's
	reserve             // people's
)

// state is what is known of one instance. The zero value is nothing.
type state struct {
	epoch   int64      // when the state was made, which names it; 0: there is none
	keep    int64      // grants are kept for so long: the longest window asked for
	grants  [2][]int64 // times of the requests, by pool, ascending
	pause   int64      // no request before
	learned int64      // thousandths of the limit, at the time cut; 0: full
	cut     int64      // of the last 429 that lowered it
	calm    int64      // 429s of requests made before belong to that one
	settle  int64      // the reserve alone is given before; 0: nothing was lost
}

// call is a request for one grant.
type call struct {
	class  Class
	limit  int64 // requests in a window
	window int64
	epoch  int64   // of the state that the caller has dealt with; 0: none
	used   bool    // the caller has grants of its own in the last window
	report []grant // those of them that the state does not know
	whole  bool    // report holds all of them
}

// grant is one of the caller's own requests, at a time that is relative to now.
type grant struct {
	pool pool
	age  int64 // negative: still to come
}

// outcome says what came of a call.
type outcome int

const (
	granted outcome = iota
	refused         // its turn is further away than anybody sleeps
	unknown         // the state is another one than the caller's: it should report
)

// answer is what comes of a call.
type answer struct {
	outcome outcome
	wait    int64 // until the turn
	epoch   int64
	pool    pool
}

// reserveOf is the part of a limit that is kept for people: 3 %, so that
// background work alone uses more than 95 %, and one request at least.
func reserveOf(limit int64) int64 {
	if limit < 2 {
		return 0
	}
	return max(1, limit*3/100)
}

// effective is the limit in force: what was learned from 429s, and has been
// forgotten again since.
func (s *state) effective(limit, window, now int64) int64 {
	return max(1, limit*s.factor(window, now)/learnedFull)
}

func (s *state) factor(window, now int64) int64 {
	if s.learned == 0 {
		return learnedFull
	}
	return min(learnedFull, s.learned+learnedBack*(max(0, now-s.cut)/window))
}

// ask decides a call and notes what it grants.
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
	if c.class == Person && kept > 0 && turn > now {
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

// next is the earliest time, not before from and not before anything in the
// log, at which another request keeps every window within n.
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

// spread is next, but once half of n is used, what is left is spread over the
// time until the first of the requests leaves the window, and in any case no
// closer than makes 95 % of the window for n of them. One burst of everything
// would be followed by silence, and by the same burst a window later; spread,
// there is a turn every moment, for whoever comes.
func spread(log []int64, n, window, from int64) int64 {
	turn, size, half := next(log, n, window, from), int64(len(log)), n/2
	if n < leastSpread || size < half || log[size-half]+window <= turn {
		return turn
	}
	gap := window * 95 / 100 / n
	if size < n {
		gap = max(gap, (log[0]+window-turn)/(n-size+1))
	}
	return max(turn, log[size-1]+gap)
}

// merge adds what a caller reports.
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

// forget drops grants that no window reaches any more, and what another clock
// must have written: after a failover to a server whose clock is behind, the
// state would lock everybody out. Its loss is noticed like any other. A state
// that is not there is made.
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

// sane is a time that lies ahead by most at most, or else none.
func sane(t, now int64, most time.Duration) int64 {
	if t > now+(most+clockSlip).Microseconds() {
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

// throttled notes a 429 for a request that was sent age ago: nobody sends
// anything for pause, and the limit is lowered, once for all requests that
// were granted before anybody knew. It says whether it was.
func (s *state) throttled(now, age, window, pause int64) bool {
	s.forget(now, window)
	s.pause = max(s.pause, now+min(pause, maxPause.Microseconds()))
	if now-age < sane(s.calm, now, maxPause+maxSleep) {
		return false
	}
	s.learned = max(learnedLeast, s.factor(window, now)*learnedCut/1000)
	s.cut = now
	s.calm = max(s.pause, now+maxSleep.Microseconds())
	return true
}
