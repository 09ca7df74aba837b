// Package ratelimit keeps the requests to one Halo instance inside its budget:
// never more than the limit in any rolling window, whoever asks. Halo counts
// per instance and does not care which of our workers, connections, runs or
// people a request came from.
//
// The budget is shared through Redis. A process that cannot reach Redis goes
// on with a tenth of it, counted together with what it used before.
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
	// assumedProcesses is by how many the budget is divided while they cannot
	// agree.
	assumedProcesses = 10
	// A Redis that does not answer in askTimeout is tried again every restTime,
	// by one request.
	askTimeout = 2 * time.Second
	restTime   = 5 * time.Second
	// maxReport bounds what is told to a Redis that has lost its memory.
	maxReport = 4000
	// A turn that was missed by lateBy is asked for again, lateTries times.
	lateBy    = maxSlack
	lateTries = 3
)

// Options say how a [Limiter] works. The zero value is a process on its own.
type Options struct {
	// Rate is that of instances for which no other is asked; default 700/5m,
	// Halo's own.
	Rate Rate
	// Redis is where the budget is shared; nil: nowhere.
	Redis redis.UniversalClient
	// Patience is how long [Limiter.Wait] waits before it refuses. The default,
	// and the least, is what a reservation reaches ahead: 5 s.
	Patience time.Duration
	// Observe is told of everything that happens, from several goroutines. May
	// be nil.
	Observe func(Event)
}

// Event is something that happened. It names no instance.
type Event struct {
	Kind  EventKind
	Class Class         // of Granted and Refused
	Wait  time.Duration // of Granted: what it took
	Alone bool          // of Granted: out of this process's own share
	Err   error         // of Lost
}

// EventKind is what happened.
type EventKind int

// The kinds of events.
const (
	Granted   EventKind = iota // a request may go
	Refused                    // it must come again later
	Throttled                  // Halo answered 429
	Lowered                    // and the limit was lowered for it
	Lost                       // Redis cannot be asked
	Found                      // it can again
)

// A BudgetError says that an instance's budget is used up for longer than
// anybody waits.
type BudgetError struct {
	After time.Duration // when to come again, above zero
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("request budget of this Halo is used up for %v", max(e.After.Round(time.Second), time.Second))
}

// Limiter hands out requests per instance. It is safe for concurrent use.
type Limiter struct {
	rate     Rate
	fleet    store // nil: none
	own      *memory
	patience time.Duration
	observe  func(Event)
	lost     atomic.Bool
	rest     atomic.Int64 // while lost: when to try Redis again, on own's clock

	mu    sync.Mutex
	known map[string]*knowledge
}

// knowledge is what this process and Redis know of each other, for one
// instance.
type knowledge struct {
	mu      sync.Mutex
	epoch   int64   // of the state that this process has dealt with
	untold  []taken // what it granted itself meanwhile
	telling sync.Mutex
}

// taken is a grant on own's clock.
type taken struct {
	pool pool
	at   int64
}

// New returns a limiter that knows no instance yet.
func New(opts Options) *Limiter {
	if opts.Rate == (Rate{}) {
		opts.Rate = Rate{700, 5 * time.Minute}
	}
	l := &Limiter{
		rate: opts.Rate, own: newMemory(), known: map[string]*knowledge{},
		patience: max(opts.Patience, maxSleep), observe: opts.Observe,
	}
	if opts.Redis != nil {
		l.fleet = newShared(opts.Redis)
	}
	if l.observe == nil {
		l.observe = func(Event) {}
	}
	return l
}

// Wait blocks until one more request may go to the instance. limit is the rate
// for it, as [ParseRate] reads it; empty for the default. A [*BudgetError] says
// that the turn is further away than the limiter's patience; any other error is
// ctx's, or that of limit. All who ask for one instance count together, also
// with different rates; each then keeps to its own.
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
		if got.outcome != granted && time.Since(began)+wait > l.patience {
			l.observe(Event{Kind: Refused, Class: class})
			return &BudgetError{After: wait}
		}
		if err := sleep.For(ctx, wait); err != nil {
			return err // the turn is lost: nobody can take it over safely
		}
		if got.outcome != granted {
			continue
		}
		// A process that was frozen must not send what the window has no room
		// for any more.
		if late++; time.Since(got.asked)-wait > lateBy && late <= lateTries {
			continue
		}
		l.observe(Event{Kind: Granted, Class: class, Wait: time.Since(began), Alone: got.alone})
		return nil
	}
}

// Throttled notes that Halo answered 429 to a request that was sent at that
// time: the whole fleet pauses for after (or, if it is 0, for a tenth of the
// window, 1 s to 30 s; 15 minutes at most) and the limit is lowered by a tenth.
// A burst of such answers counts once. The limit comes back by 1 % of the rate
// with each window. It takes 2 s at most, if Redis does not answer.
func (l *Limiter) Throttled(instance, limit string, sent time.Time, after time.Duration) {
	r, err := l.rate.Or(limit)
	if err != nil {
		return // then there was no turn for it, either
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if after <= 0 {
		after = min(max(r.Per/10, time.Second), 30*time.Second)
	}
	age, window, pause := max(0, time.Since(sent)).Microseconds(), (r.Per + r.slack()).Microseconds(), after.Microseconds()
	lowered, _ := l.own.throttled(ctx, instance, age, window, pause) // memory does not fail
	if l.reachable() {
		if told, err := l.fleet.throttled(ctx, instance, age, window, pause); err != nil {
			l.lose(err)
		} else {
			lowered = told
		}
	}
	l.observe(Event{Kind: Throttled})
	if lowered {
		l.observe(Event{Kind: Lowered})
	}
}

// turn is an answer and where it comes from.
type turn struct {
	answer
	asked time.Time // the wait begins no earlier
	alone bool      // out of this process's own share
}

// ask asks the fleet, or, if it cannot be reached, takes from the own share.
func (l *Limiter) ask(ctx context.Context, instance string, c call) (turn, error) {
	if err := ctx.Err(); err != nil {
		return turn{}, err
	}
	k := l.knowledge(instance)
	if l.reachable() {
		asked := time.Now()
		got, err := l.askFleet(ctx, k, instance, c)
		if err == nil {
			l.find()
			return turn{got, asked, false}, nil
		}
		if ctx.Err() != nil {
			return turn{}, ctx.Err()
		}
		l.lose(err)
	}
	c.limit = max(1, c.limit/assumedProcesses)
	asked := time.Now()
	got, err := l.own.ask(ctx, instance, c)
	if err == nil && got.outcome == granted && l.fleet != nil {
		k.keep(taken{got.pool, l.own.now() + got.wait})
	}
	return turn{got, asked, true}, err
}

// askFleet asks Redis, and tells it what it does not know of this process.
func (l *Limiter) askFleet(ctx context.Context, k *knowledge, instance string, c call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c.used = !l.own.idle(instance, c.window)
	epoch, untold := k.take()
	c.epoch = epoch
	for _, t := range untold {
		c.report = append(c.report, grant{t.pool, l.own.now() - t.at})
	}
	got, err := l.fleet.ask(ctx, instance, c)
	if err == nil && got.outcome == unknown {
		got, err = l.tell(ctx, k, instance, c, got.epoch)
	}
	if err != nil {
		k.keep(untold...)
		return got, err
	}
	k.adopt(epoch, got.epoch)
	if got.outcome == granted {
		l.own.note(instance, got.pool, got.wait, c.window)
	}
	return got, nil
}

// tell asks a state that is new to this process, with all that this process
// has used. One goroutine does so for all.
func (l *Limiter) tell(ctx context.Context, k *knowledge, instance string, c call, epoch int64) (answer, error) {
	k.telling.Lock()
	defer k.telling.Unlock()
	k.mu.Lock()
	before := k.epoch
	k.mu.Unlock()
	c.epoch, c.report = before, nil
	if before != epoch {
		used := l.own.used(instance, c.window)
		c.report, c.whole = used[max(0, len(used)-maxReport):], true
	}
	got, err := l.fleet.ask(ctx, instance, c)
	switch {
	case err != nil:
		return got, err
	case got.outcome == unknown:
		return got, errors.New("request budget: Redis forgets it all the time")
	}
	k.adopt(before, got.epoch)
	return got, nil
}

func (l *Limiter) knowledge(instance string) *knowledge {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.known[instance]
	if k == nil {
		k = &knowledge{}
		l.known[instance] = k
	}
	return k
}

// take returns the epoch and takes what Redis should be told.
func (k *knowledge) take() (int64, []taken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	untold := k.untold
	k.untold = nil
	return k.epoch, untold
}

func (k *knowledge) keep(t ...taken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.untold = append(k.untold, t...)
	k.untold = k.untold[max(0, len(k.untold)-maxReport):]
}

// adopt goes over to a state, unless somebody else did meanwhile.
func (k *knowledge) adopt(from, to int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch == from {
		k.epoch = to
	}
}

// reachable says whether to ask Redis. While it is lost, only one caller at a
// time finds out whether it still is.
func (l *Limiter) reachable() bool {
	if l.fleet == nil || !l.lost.Load() {
		return l.fleet != nil
	}
	now, until := l.own.now(), l.rest.Load()
	return now >= until && l.rest.CompareAndSwap(until, now+restTime.Microseconds())
}

func (l *Limiter) lose(err error) {
	l.rest.Store(l.own.now() + restTime.Microseconds())
	if !l.lost.Swap(true) {
		l.observe(Event{Kind: Lost, Err: err})
	}
}

func (l *Limiter) find() {
	if l.lost.Swap(false) {
		l.observe(Event{Kind: Found})
	}
}
