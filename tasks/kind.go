package tasks

import (
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
	// Origin says for which tenant and connection, and who asked. Key and Args of the
	// result are empty.
	Origin() Stored
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
