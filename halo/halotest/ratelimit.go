package halotest

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// window holds the times of the requests in the last span, oldest first.
type window struct {
	times []int64 // nanoseconds
	head  int     // index of the first time that is still in the window
}

// add adds a request at the time now.
func (w *window) add(now time.Time) { w.times = append(w.times, now.UnixNano()) }

// prune removes the times that are at least span old and returns how many
// remain.
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

// limiter refuses requests beyond the limits of the profile.
type limiter struct {
	mu      sync.Mutex
	windows map[string]*window // by tenant, or by tenant and application
}

// take counts a request in the window of key. If a limit is reached, it returns
// the wait until the next request is possible, and the limit that causes it.
// Otherwise, it returns 0.
func (l *limiter) take(key string, now func() time.Time, p *settings) (wait time.Duration, over Rate) {
	if len(p.rates) == 0 {
		return 0, Rate{}
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

	at := now() // under the lock, so that times in a window ascend
	var longest time.Duration
	for _, r := range p.rates {
		longest = max(longest, r.Window)
	}
	n := w.prune(at, longest)
	for _, r := range p.rates {
		if n < r.Limit {
			continue
		}
		// The next request is possible once the request at this time has left
		// the window.
		last := time.Unix(0, w.times[len(w.times)-r.Limit])
		if d := last.Add(r.Window).Sub(at); d > wait {
			wait, over = d, r
		}
	}
	if wait == 0 || p.RateCountsRejected {
		w.add(at)
	}
	return wait, over
}

// throttled returns a 429 in the form that the profile sets. The wording of the
// body is Halo's (homotechsual/HaloAPI #31).
func throttled(p *settings, over Rate, now time.Time, wait time.Duration) answer {
	text := fmt.Sprintf("Rate Limit Reached - %d Requests per rolling %s window", over.Limit, spanText(over.Window))
	a := answer{status: http.StatusTooManyRequests, header: http.Header{}}
	switch p.ThrottleBody {
	case ThrottleError:
		a.json(object("error", text))
	case ThrottleString:
		a.json(appendString(nil, text))
	case ThrottleText:
		a.text("text/plain; charset=utf-8", text)
	case ThrottleHTML:
		a.text(htmlType, page("429 Too Many Requests", text))
	default:
		a.json(object("Message", text))
	}
	switch p.RetryAfter {
	case RetryAfterSeconds:
		a.header.Set("Retry-After", wholeSeconds(wait))
	case RetryAfterDate:
		// An HTTP date has whole seconds. Round it up, so that the client does
		// not retry too early.
		at := now.Add(wait + time.Second - time.Nanosecond).Truncate(time.Second)
		a.header.Set("Retry-After", at.UTC().Format(http.TimeFormat))
	case RetryAfterNone:
	}
	return a
}

// wholeSeconds returns d in seconds, rounded up, so that a client does not
// retry too early.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

func spanText(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " minute"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " second"
}
