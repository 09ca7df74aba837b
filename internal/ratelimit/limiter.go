// Package ratelimit limits the requests to each Halo instance. In any rolling window,
// the requests of all workers, connections, runs and people together do not exceed the
// limit. Halo counts requests per instance, not per API client.
//
// Processes share the budget through Redis. Without Redis, a process continues with a
// tenth of the budget, minus the requests that it has already made.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/sleep"
)

const (
	// assumedProcesses divides the budget while the processes cannot share it.
	assumedProcesses = 10
	// If Redis does not respond within askTimeout, one request per retryInterval tries
	// Redis again.
	askTimeout    = 2 * time.Second
	retryInterval = 5 * time.Second
	// maxReport is the maximum number of grants that a process reports to a Redis that
	// lost its data.
	maxReport = 4000
	// If a request wakes up more than maxLate after its turn, it takes a new turn, up
	// to maxLateTries times.
	maxLate      = maxSlack
	maxLateTries = 3
)

// Options configure a [Limiter]. The zero value is suitable for a single process.
type Options struct {
	// Rate is the default rate for instances. The zero value means Halo's own rate,
	// 700/5m.
	Rate Rate
	// Redis shares the budget between processes. Redis may be nil.
	Redis redis.UniversalClient
	// MaxWait is how long [Limiter.Wait] may wait. The default and the minimum are both 5
	// s, because turns are reserved up to 5 s ahead.
	MaxWait time.Duration
	// Observe is called for each event, possibly concurrently. It may be nil.
	Observe func(Event)
}

// Event is an event of a limiter. It does not identify the instance.
type Event struct {
	Kind  EventKind
	Class Class         // for Granted and Refused
	Wait  time.Duration // for Granted: how long the request waited
	Local bool          // for Granted: whether the grant came from this process's own share, without Redis
	Err   error         // for Lost
}

// EventKind is the kind of an event.
type EventKind int

// The kinds of events.
const (
	Granted   EventKind = iota // a request was granted and may be sent
	Refused                    // a request must be retried later
	Throttled                  // Halo answered 429
	Lowered                    // the limit was lowered after a 429
	Lost                       // Redis became unavailable
	Back                       // Redis became available again
)

// A BudgetError means that an instance's budget is used up for longer than the limiter
// may wait.
type BudgetError struct {
	After time.Duration // wait before the next attempt; always positive
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("request budget of this Halo is used up for %v", max(e.After.Round(time.Second), time.Second))
}

// Limiter grants requests per instance. It is safe for concurrent use.
type Limiter struct {
	rate    Rate
	shared  store // nil if the budget is not shared
	local   *memory
	maxWait time.Duration
	observe func(Event)
	lost    atomic.Bool
	retryAt atomic.Int64 // while Redis is unavailable: time of the next attempt on local's clock

	mu      sync.Mutex
	synced  map[string]*syncState // by instance
	sweepAt int                   // number of instances at which unused instances are removed
}

// syncState is what this process has exchanged with Redis about one instance.
type syncState struct {
	mu         sync.Mutex
	epoch      int64        // epoch of the shared state that this process last used
	unreported []localGrant // grants that Redis has not received
	reporting  sync.Mutex
	usedAt     int64 // time of the last use on local's clock; guarded by Limiter.mu
}

// localGrant is a grant with a time on local's clock.
type localGrant struct {
	pool pool
	at   int64
}

// New returns a limiter.
func New(opts Options) *Limiter {
	if opts.Rate == (Rate{}) {
		opts.Rate = Rate{700, 5 * time.Minute}
	}
	l := &Limiter{
		rate: opts.Rate, local: newMemory(), synced: map[string]*syncState{}, sweepAt: minSweep,
		maxWait: max(opts.MaxWait, maxSleep), observe: opts.Observe,
	}
	if opts.Redis != nil {
		l.shared = newRedisStore(opts.Redis)
	}
	if l.observe == nil {
		l.observe = func(Event) {}
	}
	return l
}

// Wait blocks until one more request may be sent to the instance. limit is the
// instance's rate in the format of [ParseRate], or empty for the default. If the wait
// would exceed MaxWait, Wait returns a [*BudgetError]. Any other error is ctx's error or
// describes a fault in the argument limit. All requests to an instance count together, even
// if their limits differ. Each request complies with its own limit.
func (l *Limiter) Wait(ctx context.Context, instance, limit string, class Class) error {
	r, err := l.rate.Or(limit)
	if err != nil {
		return err
	}
	began := time.Now()
	c := call{class: class, limit: int64(r.Requests), window: (r.Per + r.slack()).Microseconds()}
	for late := 0; ; {
		got, err := l.ask(ctx, instance, c)
		if err != nil {
			return err
		}
		wait := time.Duration(got.wait) * time.Microsecond
		if got.outcome != granted && time.Since(began)+wait > l.maxWait {
			l.observe(Event{Kind: Refused, Class: class})
			return &BudgetError{After: wait}
		}
		if err := sleep.For(ctx, wait); err != nil {
			return err // the turn remains unused, because another request cannot safely take it
		}
		if got.outcome != granted {
			continue
		}
		// A process that was suspended must not send a request if the current window
		// has no room for it.
		if late++; time.Since(got.asked)-wait > maxLate && late <= maxLateTries {
			continue
		}
		l.observe(Event{Kind: Granted, Class: class, Wait: time.Since(began), Local: got.local})
		return nil
	}
}

// Throttled records that Halo answered 429. sent is the time at which the request was
// sent. All workers pause for the duration given by the argument after, but for at most 15
// minutes. If this argument is 0, the pause is a tenth of the window, but at least 1 s and
// at most 30 s. The limit drops by a tenth, once per burst of 429s, and recovers by 1 % of
// the rate per window. If Redis does not respond, Throttled takes up to 2 s.
func (l *Limiter) Throttled(instance, limit string, sent time.Time, after time.Duration) {
	r, err := l.rate.Or(limit)
	if err != nil {
		return // Wait has already rejected this limit
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if after <= 0 {
		after = min(max(r.Per/10, time.Second), 30*time.Second)
	}
	age, window, pause := max(0, time.Since(sent)).Microseconds(), (r.Per + r.slack()).Microseconds(), after.Microseconds()
	lowered, _ := l.local.throttled(ctx, instance, age, window, pause) // the local store never returns an error
	if l.reachable() {
		if sharedLowered, err := l.shared.throttled(ctx, instance, age, window, pause); err != nil {
			l.markLost(err)
		} else {
			lowered = sharedLowered
		}
	}
	l.observe(Event{Kind: Throttled})
	if lowered {
		l.observe(Event{Kind: Lowered})
	}
}

// turn is an answer together with its origin.
type turn struct {
	answer
	asked time.Time // the wait starts at this time or later
	local bool      // whether the answer comes from the local store
}

// ask sends a call to the shared store. If that store is unavailable, ask uses the
// local share.
func (l *Limiter) ask(ctx context.Context, instance string, c call) (turn, error) {
	if err := ctx.Err(); err != nil {
		return turn{}, err
	}
	s := l.syncState(instance)
	if l.reachable() {
		asked := time.Now()
		got, err := l.askShared(ctx, s, instance, c)
		if err == nil {
			l.markBack()
			return turn{got, asked, false}, nil
		}
		if ctx.Err() != nil {
			return turn{}, ctx.Err()
		}
		l.markLost(err)
	}
	c.limit = max(1, c.limit/assumedProcesses)
	asked := time.Now()
	got, err := l.local.ask(ctx, instance, c)
	if err == nil && got.outcome == granted && l.shared != nil {
		s.add(localGrant{got.pool, l.local.now() + got.wait})
	}
	return turn{got, asked, true}, err
}

// askShared sends a call to Redis and reports the grants that Redis lacks.
func (l *Limiter) askShared(ctx context.Context, s *syncState, instance string, c call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c.used = !l.local.idle(instance, c.window)
	epoch, unreported := s.take()
	c.epoch = epoch
	for _, g := range unreported {
		c.report = append(c.report, grant{g.pool, l.local.now() - g.at})
	}
	got, err := l.shared.ask(ctx, instance, c)
	if err == nil && got.outcome == unknown {
		got, err = l.report(ctx, s, instance, c, got.epoch)
	}
	if err != nil {
		s.add(unreported...)
		return got, err
	}
	s.adopt(epoch, got.epoch)
	if got.outcome == granted {
		l.local.note(instance, got.pool, got.wait, c.window)
	}
	return got, nil
}

// report sends a call to a state that this process has not used yet, together with all
// grants of the process. Only one goroutine reports at a time. The other goroutines
// then find that the process has adopted the state.
func (l *Limiter) report(ctx context.Context, s *syncState, instance string, c call, epoch int64) (answer, error) {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	s.mu.Lock()
	before := s.epoch
	s.mu.Unlock()
	c.epoch, c.report = before, nil
	if before != epoch {
		used := l.local.used(instance, c.window)
		c.report, c.whole = used[max(0, len(used)-maxReport):], true
	}
	got, err := l.shared.ask(ctx, instance, c)
	switch {
	case err != nil:
		return got, err
	case got.outcome == unknown:
		return got, errors.New("request budget: Redis keeps losing its state")
	}
	s.adopt(before, got.epoch)
	return got, nil
}

func (l *Limiter) syncState(instance string) *syncState {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.local.now()
	s := l.synced[instance]
	if s == nil {
		if len(l.synced) >= l.sweepAt {
			l.sweep(now)
		}
		s = &syncState{}
		l.synced[instance] = s
	}
	s.usedAt = now
	return s
}

// unusedTime is the time after which no call is still using a [syncState].
const unusedTime = time.Minute

// sweep removes the data about unused instances that have no local state. The caller must
// hold l.mu.
func (l *Limiter) sweep(now int64) {
	has := l.local.forget()
	for instance, s := range l.synced {
		if s.usedAt < now-unusedTime.Microseconds() && !has(instance) {
			delete(l.synced, instance)
		}
	}
	l.sweepAt = max(minSweep, 2*len(l.synced))
}

// take removes and returns the grants to report, together with the epoch.
func (s *syncState) take() (int64, []localGrant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unreported := s.unreported
	s.unreported = nil
	return s.epoch, unreported
}

// add adds grants to report.
func (s *syncState) add(g ...localGrant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreported = append(s.unreported, g...)
	s.unreported = s.unreported[max(0, len(s.unreported)-maxReport):]
}

// adopt changes the epoch unless another goroutine has already changed it.
func (s *syncState) adopt(from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == from {
		s.epoch = to
	}
}

// reachable reports whether to use Redis. While Redis is unavailable, only one caller per
// retryInterval tries to use it.
func (l *Limiter) reachable() bool {
	if l.shared == nil || !l.lost.Load() {
		return l.shared != nil
	}
	now, until := l.local.now(), l.retryAt.Load()
	return now >= until && l.retryAt.CompareAndSwap(until, now+retryInterval.Microseconds())
}

func (l *Limiter) markLost(err error) {
	l.retryAt.Store(l.local.now() + retryInterval.Microseconds())
	if !l.lost.Swap(true) {
		l.observe(Event{Kind: Lost, Err: err})
	}
}

func (l *Limiter) markBack() {
	if l.lost.Swap(false) {
		l.observe(Event{Kind: Back})
	}
}
