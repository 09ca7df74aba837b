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

// The queues, in the order of their weight. The set is fixed when a server
// starts, so a new queue needs new workers before its first task.
const (
	QueueInteractive = "interactive" // somebody waits for it
	QueueImport      = "import"      // long runs that somebody asked for
	QueueResync      = "resync"      // runs that the clock asked for
)

// queueNames lists every queue, the likeliest place of a task first.
func queueNames() []string { return []string{QueueInteractive, QueueImport, QueueResync} }

// queueWeights is the share of each queue while all of them have work. Not
// strict: under strict priority a busy queue starves the others.
func queueWeights() map[string]int {
	return map[string]int{QueueInteractive: 6, QueueImport: 3, QueueResync: 1}
}

// Args are the arguments of one kind. They are declared in this package only,
// since both ends must agree on them.
type Args[A any] interface {
	// Validate reports everything that is wrong, at once.
	Validate() error
	// Canonical is the one spelling of equal arguments. It does not validate.
	Canonical() A

	identity() any  // what makes two requests the same one; encoded as JSON
	origin() Stored // for whom, and who asked; without key and arguments
}

// Kind declares one kind of job. Both ends use the same value.
type Kind[A Args[A], R any] struct {
	// Name is asynq's type name. None may be a prefix of another: asynq's own
	// ServeMux, which other workers on the same Redis may use, matches by prefix.
	Name string
	// Queue says where a job with these arguments waits.
	Queue func(A) string
	// MaxAttempts is how many failures end a run, at least 2: the death of a
	// worker counts as one, so that a task which kills its worker stops some day.
	MaxAttempts int
	// Timeout ends one execution and counts as a failure; whole seconds.
	Timeout time.Duration
	// Retention is how long the result stays in Redis; whole seconds.
	Retention time.Duration
}

// fault says what the declaration lacks. asynq's defaults (25 retries, 30
// minutes, nothing retained) are nobody's decision, so each limit is stated.
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

// options are the limits as asynq takes them.
//
// asynq asks "are the retries used up" before it asks whether the error is a
// failure at all, so with the number of retries that are meant, a [Later]
// after the last of them would end the run. One more than that leaves a slot
// which only a Later ever passes: the server turns the last failure into a
// [Never] by itself.
func (k Kind[A, R]) options(runID string, args A) []asynq.Option {
	return []asynq.Option{
		asynq.TaskID(runID),
		asynq.Queue(k.Queue(args)),
		asynq.MaxRetry(k.MaxAttempts),
		asynq.Timeout(k.Timeout),
		asynq.Retention(k.Retention),
	}
}

// Job is one execution as its handler sees it.
type Job[A any] struct {
	RunID string // 32 hex digits
	Args  A      // valid and canonical
	// Attempt is the number of failures so far plus one. A Later does not
	// change it.
	Attempt int
	// Final says that a plain error would end the run now.
	Final bool
	// Died says that the execution before this one lost its lease: its worker
	// died, or was stopped or cut off for half a minute.
	Died bool
	// Draining is closed when the server begins to shut down. The context goes
	// on for ServerConfig.ShutdownTimeout: time to finish the page in hand and
	// return Later(0, ...).
	Draining <-chan struct{}
}

// runner executes one task of a kind whose types only Handle knows.
type runner func(ctx context.Context, x *execution, payload []byte) (result []byte, err error)

// Handle makes h the handler of kind k. It panics if the kind is incomplete,
// has a handler, or has a name that begins with another's.
//
// The context ends with the kind's timeout, with the loss of the task's lease
// and with the shutdown's timeout. asynq does not wait for a handler that goes
// on after that: it starts the task elsewhere. What h returns is a result or
// one of the verdicts; a panic is an ordinary failure.
func Handle[A Args[A], R any](s *Server, k Kind[A, R], h func(context.Context, Job[A]) (R, error)) {
	s.register(k.Name, k.fault(), func(ctx context.Context, x *execution, payload []byte) ([]byte, error) {
		args, err := decode[A](payload)
		if err != nil {
			x.tenant = payloadTenant(payload)
			return nil, &rejection{err}
		}
		x.tenant, x.connection = args.origin().Tenant, args.origin().ConnectionID
		result, err := h(ctx, Job[A]{
			RunID: x.runID, Args: args, Attempt: x.attempt(), Final: x.final(), Died: x.died, Draining: x.draining,
		})
		if err != nil {
			return nil, err
		}
		if ended, ok := any(result).(RunResult); ok {
			x.ended = &ended
		}
		return json.Marshal(result)
	})
}
