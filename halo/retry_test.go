package halo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halosync/halosync/internal/sleep"
)

func noWait(time.Duration) time.Duration { return 0 }

func TestPace(t *testing.T) {
	t.Parallel()
	full := func(d time.Duration) time.Duration { return d }
	half := func(d time.Duration) time.Duration { return d / 2 }
	start := time.Date(2026, 10, 3, 6, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		pace   pace
		err    Error
		wait   time.Duration
		ok     bool
		asked  time.Duration // the wait in the error
		jitter func(time.Duration) time.Duration
	}{
		{name: "first", err: Error{kind: ErrUnavailable, next: retryLater}, wait: 500 * time.Millisecond, ok: true},
		{name: "third", pace: pace{retries: 2}, err: Error{kind: ErrUnavailable, next: retryLater}, wait: 2 * time.Second, ok: true},
		{name: "jitter", pace: pace{retries: 2}, err: Error{kind: ErrUnavailable, next: retryLater}, wait: time.Second, ok: true, jitter: half},
		{name: "capped", pace: pace{retries: 9}, err: Error{kind: ErrUnavailable, next: retryLater}, wait: 8 * time.Second, ok: true},
		{name: "final", err: Error{kind: ErrForbidden}},
		{name: "at once", pace: pace{retries: 9}, err: Error{kind: ErrUnauthorized, next: retryAtOnce}, ok: true},
		{name: "asked for", err: Error{kind: ErrThrottled, next: retryLater, RetryAfter: 3 * time.Second}, wait: 3 * time.Second, ok: true, asked: 3 * time.Second},
		{name: "asked for less than the back-off", pace: pace{retries: 3}, err: Error{kind: ErrThrottled, next: retryLater, RetryAfter: time.Second}, wait: 4 * time.Second, ok: true, asked: time.Second},
		{name: "asked for too much", err: Error{kind: ErrThrottled, next: retryLater, RetryAfter: 6 * time.Second}, asked: 6 * time.Second},
		{name: "throttled", err: Error{kind: ErrThrottled, next: retryLater}, asked: 7500 * time.Millisecond},
		{name: "throttled, patient", pace: pace{maxWait: 10 * time.Second}, err: Error{kind: ErrThrottled, next: retryLater}, wait: 7500 * time.Millisecond, ok: true, asked: 7500 * time.Millisecond},
		{name: "budget spent", pace: pace{began: start.Add(-20 * time.Second)}, err: Error{kind: ErrUnavailable, next: retryLater}},
		{name: "budget too short for the requested wait", pace: pace{began: start.Add(-18 * time.Second)}, err: Error{kind: ErrUnavailable, next: retryLater, RetryAfter: 3 * time.Second}, asked: 3 * time.Second},
		{name: "gate does not count", pace: pace{began: start.Add(-40 * time.Second), gated: 30 * time.Second}, err: Error{kind: ErrUnavailable, next: retryLater}, wait: 500 * time.Millisecond, ok: true},
		{name: "attempts spent", pace: pace{attempts: maxAttempts}, err: Error{kind: ErrUnavailable, next: retryLater}},
	}
	for _, tt := range tests {
		p := tt.pace
		p.budget, p.jitter = 20*time.Second, full
		if p.maxWait == 0 {
			p.maxWait = 5 * time.Second
		}
		if tt.jitter != nil {
			p.jitter = tt.jitter
		}
		wait, ok := p.next(&tt.err, start)
		if wait != tt.wait || ok != tt.ok || tt.err.RetryAfter != tt.asked {
			t.Errorf("%s: wait %v, %t, asked for %v; want %v, %t, %v", tt.name, wait, ok, tt.err.RetryAfter, tt.wait, tt.ok, tt.asked)
		}
	}
}

func TestRetryAfterHeader(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 3, 6, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	tests := []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"1.5", "", 1500 * time.Millisecond},
		{"0", "", 0},
		{"-5", "", 0},
		{"NaN", "", 0},
		{"1e300", "", maxRetryAfter},
		{"99999999999999999999", "", maxRetryAfter},
		{"soon", "", 0},
		{date(time.Minute), "", time.Minute},
		{date(-time.Minute), "", 0},
		{date(100 * time.Hour), "", maxRetryAfter},
		{date(time.Hour), date(time.Hour - 9*time.Second), 9 * time.Second}, // the server's clock is wrong
		{date(time.Minute), "nonsense", time.Minute},
	}
	for _, tt := range tests {
		h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%q, Date %q: %v, want %v", tt.value, tt.date, got, tt.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Sat, 03 Oct 2026 06:00:00 GMT", "Sat, 03 Oct 2026 05:59:00 GMT")
	f.Add("1e309", "x")
	f.Add("0x1p-2", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		if got := retryAfter(h, time.Now()); got < 0 || got > maxRetryAfter {
			t.Errorf("%q, Date %q: %v", value, date, got)
		}
	})
}

// step is one answer in a script: an error, or a status with headers.
type step struct {
	err    error
	status int
	header []string
}

// script returns a wire that first answers with the steps, in order, and then
// with a client.
func script(n *int, steps ...step) wire {
	return wire{answer: func(*http.Request) (*http.Response, error) {
		*n++
		if *n > len(steps) {
			return reply(200, `{"id":5,"name":"Acme"}`), nil
		}
		s := steps[*n-1]
		if s.err != nil {
			return nil, s.err
		}
		return reply(s.status, "", s.header...), nil
	}}
}

func TestRetriesUntilItWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n int
		a := wired(t, script(&n, step{status: 502}, step{err: io.ErrUnexpectedEOF}, step{status: 503, header: []string{"Retry-After: 3"}}))
		start := time.Now()
		c, err := a.Client(t.Context(), 5)
		if err != nil || c.Name != "Acme" || n != 4 {
			t.Fatalf("%+v after %d attempts, error %v", c, n, err)
		}
		if took := time.Since(start); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("took %v, want the requested 3 s and two short back-offs", took)
		}
	})
}

func TestRetryBudgetEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		a := wired(t, wire{answer: func(r *http.Request) (*http.Response, error) {
			n++
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}, func(c *Config) { c.AttemptTimeout = 8 * time.Second })
		start := time.Now()
		_, err := a.Client(t.Context(), 5)
		checkKind(t, err, ErrUnavailable)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v looks like the caller's deadline", err)
		}
		want := fmt.Sprintf("read client 5: unavailable (%d attempts): no complete answer within 8s", n)
		if err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		if took := time.Since(start); took > 40*time.Second || n < 3 {
			t.Errorf("%d attempts in %v", n, took)
		}
	})
}

func TestWaitingForTheGateCostsNoRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n int
		a := wired(t, script(&n, step{status: 502}, step{status: 502}), func(c *Config) {
			c.Gate = func(ctx context.Context) error { return sleep.For(ctx, time.Minute) }
		})
		if _, err := a.Client(t.Context(), 5); err != nil || n != 3 {
			t.Errorf("%d attempts, error %v", n, err)
		}
	})
}

func TestContextEndsBackoffAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := wired(t, wire{answer: func(*http.Request) (*http.Response, error) { return reply(503, "", "Retry-After: 4"), nil }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := a.Client(ctx, 5)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
		if _, typed := errors.AsType[*Error](err); typed {
			t.Errorf("error %v looks like an error from Halo", err)
		}
	})
}
