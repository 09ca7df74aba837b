package halotest

import (
	"sync"
	"time"
)

// window holds the moments of the requests of the last span, oldest first.
type window struct {
	times []int64 // nanoseconds
	head  int     // times before it have left the window
}

// add notes a request at now.
func (w *window) add(now time.Time) { w.times = append(w.times, now.UnixNano()) }

// prune forgets what is span old or older, and returns how many remain.
func (w *window) prune(now time.Time, span time.Duration) int {
	from := now.Add(-span).UnixNano()
	for w.head < len(w.times) && w.times[w.head] <= from {
		w.head++
	}
	if w.head > 1024 && w.head > len(w.times)/2 {
		w.times = append(w.times[:0], w.times[w.head:]...)
		w.head = 0
	}
	return len(w.times) - w.head
}

// limiter refuses requests beyond a number in any rolling span.
type limiter struct {
	mu      sync.Mutex
	windows map[string]*window // by tenant, or by tenant and application
}

// take counts a request at the time of now against the window of key. If the
// limit is reached it returns the time until there is room again, above zero.
func (l *limiter) take(key string, now func() time.Time, p *settings) time.Duration {
	if p.RateLimit < 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[key]
	if w == nil {
		if l.windows == nil {
			l.windows = make(map[string]*window)
		}
		w = new(window)
		l.windows[key] = w
	}

	at := now() // under the lock, so that a window's times ascend
	n := w.prune(at, p.RateWindow)
	if n < p.RateLimit {
		w.add(at)
		return 0
	}
	if p.RateCountsRejected {
		w.add(at)
	}
	// The one that must leave before there is room for another.
	last := time.Unix(0, w.times[len(w.times)-p.RateLimit])
	return last.Add(p.RateWindow).Sub(at)
}
