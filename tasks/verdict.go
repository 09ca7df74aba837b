package tasks

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"
)

// Verdict is what became of one execution.
type Verdict string

// The verdicts.
const (
	VerdictDone  Verdict = "done"  // the run has ended and its result is stored
	VerdictLater Verdict = "later" // put off; no attempt is spent
	VerdictAgain Verdict = "again" // failed; another attempt follows
	VerdictNever Verdict = "never" // failed for good, or with the last attempt
	// VerdictInterrupted says that the context ended before the handler did.
	// asynq had decided by then: after a timeout, a cancel in asynqmon or a lost
	// lease it is a failed attempt; at a shutdown the task is handed back.
	VerdictInterrupted Verdict = "interrupted"
)

const (
	firstDelay = 10 * time.Second
	maxDelay   = 10 * time.Minute
	// maxErrorText bounds the text that the queue keeps of an error, in bytes.
	maxErrorText = 2_000
)

// Later puts the run off without spending an attempt: for a budget that is
// used up, a lock that is held, a worker that stops, a slice that is over. It
// comes again after that time, rounded down to a whole second, at the end of
// its queue. err says why and may be nil.
//
// Nothing here bounds how often; the caller's own deadline does.
func Later(after time.Duration, err error) error {
	return &laterError{max(after, 0), err}
}

// IsLater says whether an error is a [Later], and after which time the run
// comes again.
func IsLater(err error) (after time.Duration, ok bool) {
	later, ok := errors.AsType[*laterError](err)
	if !ok {
		return 0, false
	}
	return later.after, true
}

// Never ends the run: asynq archives its task. A nil err is a nil result.
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

// neverError carries asynq's own word for it, which is found by errors.Is, and
// keeps it out of the text.
type neverError struct{ err error }

func (e *neverError) Error() string   { return bounded(e.err) }
func (e *neverError) Unwrap() []error { return []error{e.err, asynq.SkipRetry} }

// againError is a failure as the queue keeps it.
type againError struct{ err error }

func (e *againError) Error() string { return bounded(e.err) }
func (e *againError) Unwrap() error { return e.err }

// judge turns what a handler said into what asynq is told. final says that
// this was the last attempt. Never beats Later when an error holds both.
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

// isFailure says whether an error spends an attempt. asynq also asks it about
// a lost lease, which does: a task that kills its worker must end some day.
func isFailure(err error) bool {
	_, put := errors.AsType[*laterError](err)
	return err != nil && !put
}

// retryDelay is asynq's RetryDelayFunc. It receives the very error that the
// server returned, so the time of a [Later] travels inside the error.
func retryDelay(failures int, err error, _ *asynq.Task) time.Duration {
	if later, ok := errors.AsType[*laterError](err); ok {
		return later.after
	}
	return backoff(failures, rand.Float64()) //nolint:gosec // spreading retries needs no secret
}

// backoff is the wait after a failure: 10 s, doubled with each failure before
// it, at most 10 minutes; of that, half for certain and half by chance (0 ≤
// jitter < 1), so that runs which failed together do not return together.
func backoff(failures int, jitter float64) time.Duration {
	d := maxDelay
	if failures < 16 { // 10 s << 16 is beyond the limit, and far below overflow
		d = min(firstDelay<<max(failures, 0), maxDelay)
	}
	return d/2 + time.Duration(jitter*float64(d/2))
}

// bounded is an error's text, cut: it is kept in Redis and shown in lists.
func bounded(err error) string { return excerpt([]byte(err.Error()), maxErrorText) }
