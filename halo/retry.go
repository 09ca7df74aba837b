package halo

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/sleep"
)

const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 8 * time.Second
	// After a 429 without Retry-After, the wait starts at throttleBase and
	// doubles up to throttleCap, as in homotechsual/HaloAPI.
	throttleBase = 5 * time.Second
	throttleCap  = time.Minute
	// maxAttempts bounds the requests that one call may take from the budget.
	maxAttempts = 6
	// maxRetryAfter bounds the wait that a server can request.
	maxRetryAfter = 24 * time.Hour
)

// pace is the retry state of one call.
type pace struct {
	budget, maxWait time.Duration
	jitter          func(time.Duration) time.Duration

	attempts int           // attempts made so far
	retries  int           // attempts that followed a wait
	began    time.Time     // end of the first failed attempt
	gated    time.Duration // time spent in the gate since that attempt ended
}

// retry calls its function argument repeatedly until the function succeeds or fails
// permanently. Errors other than [*Error] are final.
func (a *API) retry(ctx context.Context, once func(*pace) error) error {
	p := &pace{budget: a.cfg.RetryBudget, maxWait: a.cfg.MaxWait, jitter: a.jitter}
	for {
		err := once(p)
		// Not errors.As: a wrapped error comes from the token call, which does
		// its own retries.
		e, ok := err.(*Error) //nolint:errorlint // see above
		if !ok {
			return err
		}
		e.Attempts = p.attempts
		wait, ok := p.next(e, time.Now())
		if !ok {
			return e
		}
		if err := sleep.For(ctx, wait); err != nil {
			return opError(e.Op, err)
		}
	}
}

// next returns how long to wait before the next attempt, or false if the call
// must fail now. After a 429 without Retry-After, it sets e.RetryAfter to a wait that it
// chooses itself.
func (p *pace) next(e *Error, now time.Time) (time.Duration, bool) {
	if p.began.IsZero() {
		p.began = now
	}
	switch e.next {
	case retryAtOnce:
		return 0, true
	case giveUp:
		return 0, false
	}
	p.retries++
	wait := p.jitter(min(backoffCap, backoffBase<<(p.retries-1)))
	if e.RetryAfter == 0 && errors.Is(e, ErrThrottled) {
		calm := min(throttleCap, throttleBase<<(p.retries-1))
		e.RetryAfter = calm + p.jitter(calm/2)
	}
	asked := e.RetryAfter
	wait = max(wait, asked)
	left := p.budget - now.Sub(p.began) + p.gated
	if p.attempts >= maxAttempts || asked > p.maxWait || wait > left {
		return 0, false
	}
	return wait, true
}

// retryAfter returns the wait in the Retry-After header, which holds seconds or
// a date. A date is compared with the server's own clock if the answer has a
// Date header. It returns 0 if there is no valid wait.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if !(seconds > 0) { // also false for NaN
			return 0
		}
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}
