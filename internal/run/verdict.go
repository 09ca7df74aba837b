package run

import (
	"context"
	"errors"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// verdict is what happens to a run after an execution returned an error.
type verdict int

const (
	again verdict = iota // uses up an attempt; the queue retries a limited number of times
	later                // uses up no attempt; limited by the run's deadline
	never                // the run has failed
)

// ErrDraining ends an execution at a batch boundary because the worker is stopping.
var ErrDraining = errors.New("worker is stopping")

// errSliceOver ends an execution at a batch boundary so that waiting runs can start.
var errSliceOver = errors.New("time slice is over")

// runDeadline is how long a run may be postponed before it fails. It is longer than any
// outage that people would wait out.
const runDeadline = 24 * time.Hour

// retryLater is the wait before the next request to Halo if Halo does not specify one.
const retryLater = time.Minute

// maxPanics is how many times a run that panics is tried. Retries rarely help against a
// bug.
const maxPanics = 3

// retryStore is the wait before the next attempt if Postgres is unavailable.
const retryStore = 10 * time.Second

// retryKeys is how long a run waits if its credentials are encrypted with a key that is not
// in this worker's key set. Another worker may have the key.
const retryKeys = 10 * time.Second

// ruling is a verdict and its parameters.
type ruling struct {
	verdict verdict
	after   time.Duration // wait before the retry; only for the verdict later
	// attempts is the maximum number of attempts and is only for the verdict again; 0 means
	// the queue's maximum.
	attempts int
	// reconnect reports whether a person must reconnect the connection if the run fails,
	// because the credentials or the address of the authorisation server no longer work.
	reconnect bool
}

// rule returns the verdict on an error. The argument age is the time since the run's
// first execution began.
//
// A run that waits for our own request budget has no deadline, because thousands of
// pages may take more than a day. The budget's window limits each wait, so the run
// makes progress, however slowly. If Halo itself throttles every request, the run gets
// Halo's error and the deadline applies.
func rule(err error, age time.Duration) ruling {
	r := ruleFresh(err)
	var budget *ratelimit.BudgetError
	if r.verdict == later && r.after > 0 && age > runDeadline && !errors.As(err, &budget) {
		return ruling{verdict: never}
	}
	return r
}

// ruleFresh returns the verdict on an error, regardless of the deadline.
func ruleFresh(err error) ruling {
	var busy *repo.BusyError
	var panicked *proof.PanicError
	var budget *ratelimit.BudgetError
	var full *bulkhead.FullError
	switch {
	case errors.As(err, &panicked):
		return ruling{verdict: again, attempts: maxPanics}
	case errors.Is(err, ErrDraining), errors.Is(err, errSliceOver), errors.Is(err, repo.ErrFenced):
		return ruling{verdict: later}
	case errors.As(err, &busy):
		return ruling{verdict: later, after: minBusyWait}
	case errors.As(err, &budget):
		return ruling{verdict: later, after: budget.After}
	case errors.Is(err, repo.ErrUnavailable):
		return ruling{verdict: later, after: retryStore}
	case errors.Is(err, secret.ErrUnknownKey):
		return ruling{verdict: later, after: retryKeys}
	case errors.Is(err, secret.ErrOpen): // altered, copied from another row or sealed for other addresses, so no key set opens it
		return ruling{verdict: never}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ruling{verdict: again}
	case errors.Is(err, halo.ErrCredentials), errors.Is(err, halo.ErrUnauthorized), errors.Is(err, halo.ErrForbidden):
		return ruling{verdict: never, reconnect: true}
	case errors.Is(err, halo.ErrThrottled), errors.Is(err, halo.ErrUnavailable):
		return ruling{verdict: later, after: waitFor(err)}
	case errors.As(err, &full): // a limit of this worker, other than its memory for Halo's answers
		return ruling{verdict: later, after: minBusyWait}
	case errors.Is(err, halo.ErrNoToken): // a deployment may cause this for a few minutes
		return ruling{verdict: again, reconnect: true}
	case errors.Is(err, halo.ErrRefused), errors.Is(err, halo.ErrInvalid), errors.Is(err, halo.ErrTooLarge), errors.Is(err, repo.ErrNotFound):
		return ruling{verdict: never}
	default:
		// For example, Halo returned a maintenance page instead of JSON, or there is a
		// bug.
		return ruling{verdict: again}
	}
}

func waitFor(err error) time.Duration {
	if after, ok := halo.RetryAfter(err); ok && after > 0 {
		return min(after, 15*time.Minute)
	}
	return retryLater
}
