package tasks

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"
)

// Verdict is the outcome of one execution.
type Verdict string

// The verdicts.
const (
	VerdictDone  Verdict = "done"  // the run has ended and its result is stored
	VerdictLater Verdict = "later" // postponed without using up an attempt
	VerdictAgain Verdict = "again" // failed; the queue will retry it
	VerdictNever Verdict = "never" // failed for good, or on the last attempt
	// VerdictInterrupted means that the context ended before the handler returned.
	// asynq counts a timeout, a cancellation in asynqmon and a lost lease as a failed
	// attempt. At shutdown, asynq returns the task to the queue instead.
	VerdictInterrupted Verdict = "interrupted"
)

const (
	firstDelay = 10 * time.Second
	maxDelay   = 10 * time.Minute
	// maxErrorText is the maximum length of an error text in the queue, in bytes.
	maxErrorText = 2_000
)

// Later postpones the run without using up an attempt, for example because the budget is
// used up, the worker is stopping or the time slice has ended. After the given time,
// rounded down to a whole second, the run becomes due again and joins the end of its queue.
// The error err is the reason and may be nil.
//
// This package does not limit how often a run is postponed. The handler must have its
// own deadline.
func Later(after time.Duration, err error) error {
	return &laterError{max(after, 0), err}
}

// IsLater reports whether err wraps a [Later]. The result called after is the time until
// the run is due again.
func IsLater(err error) (after time.Duration, ok bool) {
	later, ok := errors.AsType[*laterError](err)
	if !ok {
		return 0, false
	}
	return later.after, true
}

// Never ends the run: asynq archives the task. Never(nil) returns nil.
func Never(err error) error {
	if err == nil {
		return nil
	}
	return &neverError{err}
}

type laterError struct {
	after time.Duration
	err   error
}

func (e *laterError) Error() string {
	if e.err == nil {
		return "put off"
	}
	return bounded(e.err)
}

func (e *laterError) Unwrap() error { return e.err }

// neverError wraps asynq.SkipRetry, which asynq finds with errors.Is. The text of
// SkipRetry does not appear in the message.
type neverError struct{ err error }

func (e *neverError) Error() string   { return bounded(e.err) }
func (e *neverError) Unwrap() []error { return []error{e.err, asynq.SkipRetry} }

// againError is a failure after which the queue retries the run.
type againError struct{ err error }

func (e *againError) Error() string { return bounded(e.err) }
func (e *againError) Unwrap() error { return e.err }

// judge converts a handler's error to a verdict and an error for asynq. The argument
// final reports whether this was the last attempt. If err wraps both a Never and a
// Later, judge returns VerdictNever.
func judge(err error, final bool) (Verdict, error) {
	_, never := errors.AsType[*neverError](err)
	later, put := errors.AsType[*laterError](err)
	switch {
	case err == nil:
		return VerdictDone, nil
	case never, final && !put:
		return VerdictNever, &neverError{err}
	case put:
		return VerdictLater, &laterError{later.after, err}
	default:
		return VerdictAgain, &againError{err}
	}
}

// isFailure reports whether an error uses up an attempt. asynq also calls it for a lost
// lease. A lost lease is a failure, so that a task that keeps crashing its workers
// ends.
func isFailure(err error) bool {
	_, put := errors.AsType[*laterError](err)
	return err != nil && !put
}

// retryDelay is asynq's RetryDelayFunc. Its argument err is the error that the server
// returned, which contains the delay if there was a [Later].
func retryDelay(failures int, err error, _ *asynq.Task) time.Duration {
	if later, ok := errors.AsType[*laterError](err); ok {
		return later.after
	}
	return backoff(failures, rand.Float64()) //nolint:gosec // spreading retries needs no secure randomness
}

// backoff returns the delay after a failure: 10 s, doubled for each earlier failure, up
// to 10 minutes. Half of the delay is fixed and half is random (0 ≤ jitter < 1), so
// that runs that failed together are not retried together.
func backoff(failures int, jitter float64) time.Duration {
	d := maxDelay
	if failures < 16 { // 10 s << 16 is above maxDelay and does not overflow
		d = min(firstDelay<<max(failures, 0), maxDelay)
	}
	return d/2 + time.Duration(jitter*float64(d/2))
}

// bounded returns the text of an error, truncated to maxErrorText.
func bounded(err error) string { return excerpt([]byte(err.Error()), maxErrorText) }
