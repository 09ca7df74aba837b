package tasks

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	plain := errors.New("status 502")
	for name, tc := range map[string]struct {
		err      error
		final    bool
		verdict  Verdict
		archived bool // asynq archives the task
		failure  bool // asynq counts an attempt
	}{
		"nil":                    {nil, true, VerdictDone, false, false},
		"plain":                  {plain, false, VerdictAgain, false, true},
		"plain, last attempt":    {plain, true, VerdictNever, true, true},
		"later":                  {Later(time.Minute, plain), false, VerdictLater, false, false},
		"later, last attempt":    {Later(time.Minute, plain), true, VerdictLater, false, false},
		"later without reason":   {Later(0, nil), false, VerdictLater, false, false},
		"wrapped later":          {fmt.Errorf("page 7: %w", Later(time.Minute, plain)), true, VerdictLater, false, false},
		"never":                  {Never(plain), false, VerdictNever, true, true},
		"wrapped never":          {fmt.Errorf("page 7: %w", Never(plain)), false, VerdictNever, true, true},
		"never beats later":      {errors.Join(Later(0, plain), Never(plain)), false, VerdictNever, true, false},
		"lost lease (recoverer)": {asynq.ErrLeaseExpired, false, VerdictAgain, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdict, err := judge(tc.err, tc.final)
			if verdict != tc.verdict {
				t.Errorf("verdict = %s, want %s", verdict, tc.verdict)
			}
			if got := errors.Is(err, asynq.SkipRetry); got != tc.archived {
				t.Errorf("archived = %v, want %v", got, tc.archived)
			}
			if got := isFailure(err); got != tc.failure {
				t.Errorf("failure = %v, want %v", got, tc.failure)
			}
			if tc.err == nil {
				return
			}
			if !errors.Is(err, tc.err) {
				t.Errorf("%v does not wrap %v", err, tc.err)
			}
			if err.Error() != tc.err.Error() {
				t.Errorf("text = %q, want the handler's own %q", err, tc.err)
			}
		})
	}
	if Never(nil) != nil {
		t.Error("Never(nil) is an error")
	}
}

func TestErrorTextIsBounded(t *testing.T) {
	t.Parallel()
	long := errors.New(strings.Repeat("<html>", 10_000))
	for _, err := range []error{Never(long), Later(0, long), long} {
		_, kept := judge(err, false)
		if n := len(kept.Error()); n > maxErrorText+len("…") {
			t.Errorf("%T: %d bytes would be stored", kept, n)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		failures int
		jitter   float64
		want     time.Duration
	}{
		{0, 0, 5 * time.Second},
		{0, 0.5, 7500 * time.Millisecond},
		{1, 0, 10 * time.Second},
		{3, 0, 40 * time.Second},
		{5, 0, 160 * time.Second},
		{6, 0, 5 * time.Minute}, // 640 s exceeds the limit
		{1000, 0, 5 * time.Minute},
		{-1, 0, 5 * time.Second},
	} {
		if got := backoff(tc.failures, tc.jitter); got != tc.want {
			t.Errorf("backoff(%d, %v) = %v, want %v", tc.failures, tc.jitter, got, tc.want)
		}
	}
}

func TestBackoffStaysInBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<40).Draw(t, "failures")
		jitter := rapid.Float64Range(0, 0.999999).Draw(t, "jitter")
		d := backoff(n, jitter)
		if d < firstDelay/2 || d > maxDelay {
			t.Fatalf("backoff = %v", d)
		}
		if backoff(n+1, jitter) < d {
			t.Fatalf("backoff is shorter after another failure")
		}
	})
}

// If the handler returned a Later, the error contains its delay.
func TestRetryDelay(t *testing.T) {
	t.Parallel()
	_, kept := judge(fmt.Errorf("budget: %w", Later(42*time.Second, nil)), false)
	if got := retryDelay(9, kept, nil); got != 42*time.Second {
		t.Errorf("delay = %v, want 42s", got)
	}
	if got := retryDelay(0, Later(-time.Second, nil), nil); got != 0 {
		t.Errorf("delay = %v, want 0", got)
	}
	if got := retryDelay(0, asynq.ErrLeaseExpired, nil); got < 5*time.Second || got > 10*time.Second {
		t.Errorf("delay after a crash = %v, want 5 to 10 s", got)
	}
}

func TestIsLater(t *testing.T) {
	t.Parallel()
	cause := errors.New("busy")
	if after, ok := IsLater(fmt.Errorf("run: %w", Later(time.Minute, cause))); !ok || after != time.Minute {
		t.Errorf("a wrapped Later: %v, %v", after, ok)
	}
	for _, err := range []error{nil, cause, Never(cause)} {
		if _, ok := IsLater(err); ok {
			t.Errorf("IsLater accepted %v", err)
		}
	}
}
