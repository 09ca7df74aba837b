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

// The queues, by descending weight. A server serves the queues that exist in its
// version, so deploy workers with a new queue before the first task enters it.
const (
	QueueInteractive = "interactive" // short runs that a person waits for
	QueueImport      = "import"      // long runs that a person requested
	QueueResync      = "resync"      // scheduled runs
)

// queueNames lists all queues.
func queueNames() []string { return []string{QueueInteractive, QueueImport, QueueResync} }

// queueWeights are the shares of the queues while all of them have tasks. The priority
// is not strict, because a busy queue would then starve the others.
func queueWeights() map[string]int {
	return map[string]int{QueueInteractive: 6, QueueImport: 3, QueueResync: 1}
}

// Args are the arguments of one kind. Only this package declares them, because client
// and server must agree on them.
type Args[A any] interface {
	// Validate reports all faults at once.
	Validate() error
	// Canonical returns the one form that equal arguments share. It does not validate.
	Canonical() A

	identity() any // the part that makes two requests the same; it is encoded as JSON
	// Origin returns tenant, connection and requester. Key and Args of the result are
	// empty.
	Origin() Stored
}

// Kind declares one kind of job. Client and server use the same declaration.
type Kind[A Args[A], R any] struct {
	// Name is asynq's type name. No name may be a prefix of another: asynq's ServeMux,
	// which other workers on the same Redis may use, matches by prefix.
	Name string
	// Queue returns the queue for a job with the given arguments.
	Queue func(A) string
	// MaxAttempts is the number of failures that end a run, at least 2. A worker crash
	// counts as one, so that a task that kills its workers ends too.
	MaxAttempts int
	// Timeout ends one execution, which counts as a failure. It must be a whole number
	// of seconds.
	Timeout time.Duration
	// Retention is how long Redis keeps the result. It must be a whole number of
	// seconds.
	Retention time.Duration
}

// fault reports what the declaration lacks. Each kind must state all limits: asynq's
// defaults (25 retries, 30 minutes, no retention) suit none of the kinds.
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
// retries are left before it checks whether the error is a failure, so without the
// additional retry a [Later] in the last attempt would end the run. No failure uses it
// up, because the server turns the last failure into a [Never].
func (k Kind[A, R]) options(runID string, args A) []asynq.Option {
	return []asynq.Option{
		asynq.TaskID(runID),
		asynq.Queue(k.Queue(args)),
		asynq.MaxRetry(k.MaxAttempts),
		asynq.Timeout(k.Timeout),
		asynq.Retention(k.Retention),
	}
}

// Job is one execution, as its handler receives it.
type Job[A any] struct {
	RunID string // 32 hex digits
	Args  A      // valid and canonical
	// Attempt is the number of failures so far, plus one. A Later does not increase it.
	Attempt int
	// Final means that this is the last attempt: an ordinary error ends the run.
	Final bool
	// Died means that the previous execution lost its lease, because its worker
	// crashed, or was stopped or disconnected for half a minute.
	Died bool
	// Draining is closed when the server begins to shut down. The context remains
	// valid for ServerConfig.ShutdownTimeout, so that the handler can finish the
	// current page and return Later(0, ...).
	Draining <-chan struct{}
}

// runner executes one task of a kind. It hides the kind's types.
type runner func(ctx context.Context, x *execution, payload []byte) (result []byte, err error)

// Handle registers h as the handler of kind k. It panics if the kind is incomplete or
// already has a handler, or if one name is a prefix of another.
//
// The context ends at the kind's timeout, at the loss of the task's lease and at the
// timeout of the shutdown. asynq does not wait for a handler that continues after that,
// and another worker starts the task. h returns a result, or an error that [Later] or
// [Never] may wrap. A panic counts as an ordinary error.
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
