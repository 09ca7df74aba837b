package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

// The queues, by descending weight. A server serves only the queues that its version
// declares, so deploy new workers before the first task enters a new queue.
const (
	QueueInteractive = "interactive" // short runs for which a person is waiting
	QueueImport      = "import"      // long runs that a person requested
	QueueResync      = "resync"      // scheduled runs
)

// queueNames lists all queues.
func queueNames() []string { return []string{QueueInteractive, QueueImport, QueueResync} }

// queueWeights returns the shares of the queues while all of them have tasks. The
// priorities are not strict, because a busy queue would then starve the others.
func queueWeights() map[string]int {
	return map[string]int{QueueInteractive: 6, QueueImport: 3, QueueResync: 1}
}

// Args are the arguments of one kind. Only this package declares argument types,
// because client and server must agree on them.
type Args[A any] interface {
	// Validate reports all faults at once.
	Validate() error
	// Canonical returns the form that equivalent arguments share. It does not validate.
	Canonical() A

	identity() any // the part that identifies a request, to be encoded as JSON
	// Origin returns the tenant, the connection and the requester. It leaves Key and
	// Args empty.
	Origin() Stored
}

// Kind declares one kind of job. Client and server share the declaration.
type Kind[A Args[A], R any] struct {
	// Name is asynq's type name. No name may be a prefix of another, because asynq's
	// ServeMux, which other workers on the same Redis may use, matches by prefix.
	Name string
	// Queue returns the queue for a job with the given arguments.
	Queue func(A) string
	// MaxAttempts is the number of failures after which a run ends, at least 2. A
	// worker crash counts as one failure, so that a task that crashes its workers also
	// ends.
	MaxAttempts int
	// Timeout limits one execution. An execution that exceeds it counts as a failure.
	// The timeout must be a whole number of seconds.
	Timeout time.Duration
	// Retention is how long Redis keeps the result. It must be a whole number of
	// seconds.
	Retention time.Duration
}

// fault reports what the declaration lacks. Each kind must set all limits, because
// asynq's defaults (25 retries, 30 minutes, no retention) suit none of the kinds.
func (k Kind[A, R]) fault() error {
	var faults []error
	if strings.TrimSpace(k.Name) == "" {
		faults = append(faults, errors.New("no name"))
	}
	if k.Queue == nil {
		faults = append(faults, errors.New("no queue"))
	}
	if k.MaxAttempts < 2 {
		faults = append(faults, fmt.Errorf("max attempts %d: want 2 or more", k.MaxAttempts))
	}
	if k.Timeout < time.Second || k.Timeout%time.Second != 0 {
		faults = append(faults, fmt.Errorf("timeout %v: want whole seconds", k.Timeout))
	}
	if k.Retention < time.Second || k.Retention%time.Second != 0 {
		faults = append(faults, fmt.Errorf("retention %v: want whole seconds", k.Retention))
	}
	if len(faults) > 0 {
		return fmt.Errorf("kind %q: %w", k.Name, errors.Join(faults...))
	}
	return nil
}

// options returns the limits as asynq's options.
//
// MaxRetry is one more than the intended number of retries. asynq checks whether
// retries are left before it checks whether the error is a failure. Without the
// additional retry, a [Later] in the last attempt would end the run. Failures never use
// the additional retry, because the server turns the last failure into a [Never].
func (k Kind[A, R]) options(runID string, args A) []asynq.Option {
	return []asynq.Option{
		asynq.TaskID(runID),
		asynq.Queue(k.Queue(args)),
		asynq.MaxRetry(k.MaxAttempts),
		asynq.Timeout(k.Timeout),
		asynq.Retention(k.Retention),
	}
}

// Job is one execution of a run, as passed to its handler.
type Job[A any] struct {
	RunID string // 32 hex digits
	Args  A      // valid and canonical
	// Attempt is the number of failures so far, plus one. A Later does not increase it.
	Attempt int
	// Final reports whether this is the last attempt, in which an ordinary error ends
	// the run.
	Final bool
	// Died reports whether the previous execution lost its lease. Its worker crashed,
	// or was stopped or disconnected for half a minute.
	Died bool
	// Draining is closed when the server begins to shut down. The context remains valid
	// for ServerConfig.ShutdownTimeout, so that the handler can finish the current page
	// and return Later(0, ...).
	Draining <-chan struct{}
}

// runner executes one task of a kind and hides the types of the kind.
type runner func(ctx context.Context, x *execution, payload []byte) (result []byte, err error)

// Handle registers h as the handler of kind k. It panics if the kind is incomplete, if
// it already has a handler, or if its name is a prefix of another kind's name or vice
// versa.
//
// The context ends at the kind's timeout, when the task loses its lease, or at the
// shutdown timeout. After that, asynq no longer waits for the handler, and another
// worker may start the task. h returns a result or an error, which may wrap a [Later]
// or a [Never]. A panic counts as an ordinary error.
func Handle[A Args[A], R any](s *Server, k Kind[A, R], h func(context.Context, Job[A]) (R, error)) {
	s.register(k.Name, k.fault(), func(ctx context.Context, x *execution, payload []byte) ([]byte, error) {
		args, err := decode[A](payload)
		if err != nil {
			x.tenant = payloadTenant(payload)
			return nil, &rejection{err}
		}
		x.tenant, x.connection = args.Origin().Tenant, args.Origin().ConnectionID
		result, err := h(ctx, Job[A]{
			RunID: x.runID, Args: args, Attempt: x.attempt(), Final: x.final(), Died: x.died, Draining: x.draining,
		})
		if err != nil {
			return nil, err
		}
		if ended, ok := any(result).(RunResult); ok {
			x.result = &ended
		}
		return json.Marshal(result)
	})
}
