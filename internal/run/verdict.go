package run

import (
	"context"
	"errors"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// verdict says what becomes of a run whose execution ended with an error.
type verdict int

const (
	again verdict = iota // an attempt is spent; the queue tries again, a bounded number of times
	later                // no attempt is spent; bounded by the run's deadline
	never                // the run has failed
)

// ErrDraining ends an execution at a batch boundary because the worker stops.
var ErrDraining = errors.New("worker is stopping")

// errSliceOver ends an execution at a page boundary so that others get a turn.
var errSliceOver = errors.New("time slice is over")

// runDeadline is how long a run may be put off before it has failed: longer
// than any outage that people would want to sit out.
const runDeadline = 24 * time.Hour

// retryLater is the wait before Halo is asked again when it did not say.
const retryLater = time.Minute

// maxPanics is how often a run that panics is tried: a bug seldom mends itself.
const maxPanics = 3

// retryStore is the wait before a Postgres that was away is asked again.
const retryStore = 10 * time.Second

// retryKeys is the wait before a run comes back that met credentials under a key
// which this worker's key set lacks: another worker may well have it.
const retryKeys = 10 * time.Second

// ruling is a verdict and its parameters.
type ruling struct {
	verdict verdict
	after   time.Duration // for later: how long to wait
	// attempts bounds how often again; 0: as often as the queue does.
	attempts int
	// reconnect: the credentials do not work any more, so the connection
	// needs a person before anything else is tried with it.
	reconnect bool
}

// rule is the one table of what an error means for a run. age is the time
// since its first execution began.
//
// The deadline is for what others do to us. A run that waits for our own
// request budget has no deadline: the wait is bounded by the window of the
// budget, and a run that gets its turn makes progress, however slowly; thousands
// of pages may take more than a day. When Halo itself lets nobody through, each
// run is told so by Halo at its turn, and then the deadline counts.
func rule(err error, age time.Duration) ruling {
	r := ruleFresh(err)
	var budget *ratelimit.BudgetError
	if r.verdict == later && r.after > 0 && age > runDeadline && !errors.As(err, &budget) {
		return ruling{verdict: never}
	}
	return r
}

func ruleFresh(err error) ruling {
	var busy *repo.BusyError
	var panicked *proof.PanicError
	var budget *ratelimit.BudgetError
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
	case errors.Is(err, secret.ErrOpen): // altered, or copied from another row: no key set opens it
		return ruling{verdict: never}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ruling{verdict: again}
	case errors.Is(err, halo.ErrCredentials), errors.Is(err, halo.ErrUnauthorized), errors.Is(err, halo.ErrForbidden):
		return ruling{verdict: never, reconnect: true}
	case errors.Is(err, halo.ErrThrottled), errors.Is(err, halo.ErrUnavailable):
		return ruling{verdict: later, after: waitFor(err)}
	case errors.Is(err, halo.ErrRefused), errors.Is(err, halo.ErrInvalid), errors.Is(err, halo.ErrTooLarge), errors.Is(err, repo.ErrNotFound):
		return ruling{verdict: never}
	default:
		// A maintenance page where JSON was expected, a bug.
		return ruling{verdict: again}
	}
}

func waitFor(err error) time.Duration {
	if after, ok := halo.RetryAfter(err); ok && after > 0 {
		return min(after, 15*time.Minute)
	}
	return retryLater
}
