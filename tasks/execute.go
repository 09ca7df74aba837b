package tasks

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hibiken/asynq"

	"github.com/halosync/halosync/internal/sleep"
)

const (
	// resultTimeout is how long the server tries to write a result to Redis. The server
	// stops earlier after a lost lease or at shutdown.
	resultTimeout = 20 * time.Second
	resultRetry   = 500 * time.Millisecond
	// maxAttempts bounds the number of attempts in a task's message, so that a forged task
	// does not run forever. With the longest delays, this many attempts take more than
	// half a day.
	maxAttempts = 100
)

var (
	errDraining  = errors.New("worker is stopping")
	errExhausted = errors.New("no attempts left: the last one did not finish")
	errAttempts  = errors.New("number of attempts: negative")
)

// execution is the state of one execution of a task.
type execution struct {
	kind, queue, runID, tenant, connection string

	failures    int // failed attempts before this one
	maxAttempts int
	span        Span
	result      *RunResult // from the handler; nil after an error
	died        bool       // the worker of the previous execution died
	draining    <-chan struct{}
}

func (x *execution) attempt() int { return x.failures + 1 }
func (x *execution) final() bool  { return x.attempt() >= x.maxAttempts }

// rejection is the reason why no handler may execute a task.
type rejection struct{ err error }

func (e *rejection) Error() string { return e.err.Error() }
func (e *rejection) Unwrap() error { return e.err }

// panicError is a panic in a handler. Its stack trace appears only in the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// process is asynq's handler for all kinds.
func (s *Server) process(ctx context.Context, t *asynq.Task) error {
	s.inFlight.RLock()
	defer s.inFlight.RUnlock()

	started := time.Now()
	x := s.newExecution(ctx, t)
	if s.cfg.Trace != nil {
		ctx, x.span = s.cfg.Trace(ctx, Execution{x.kind, x.queue, x.runID, x.attempt(), t.Headers()})
	}
	result, err := s.execute(ctx, x, t)
	if err == nil && ctx.Err() == nil {
		s.store(ctx, x, t, result)
	}
	verdict, verr := judge(err, x.final())
	if ctx.Err() != nil {
		// asynq now ignores the result.
		verdict, verr = VerdictInterrupted, errors.Join(context.Cause(ctx), err)
	}
	s.logExecution(x, verdict, verr, time.Since(started))
	return verr
}

func (s *Server) newExecution(ctx context.Context, t *asynq.Task) *execution {
	x := &execution{kind: t.Type(), draining: s.draining}
	// Outside asynq these values are missing and stay zero.
	x.queue, _ = asynq.GetQueueName(ctx)
	x.runID, _ = asynq.GetTaskID(ctx)
	x.failures, _ = asynq.GetRetryCount(ctx)
	x.maxAttempts, _ = asynq.GetMaxRetry(ctx)
	x.maxAttempts = min(x.maxAttempts, maxAttempts)
	return x
}

// execute runs the handler of a task, rejects the task, or returns its stored result.
func (s *Server) execute(ctx context.Context, x *execution, t *asynq.Task) (result []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, &panicError{p, debug.Stack()}
		}
	}()
	select {
	case <-s.draining: // asynq took the task as the server was beginning to stop
		return nil, Later(0, errDraining)
	default:
	}
	if x.failures < 0 { // asynq would retry the task billions of times
		return nil, s.reject(ctx, x, t, errAttempts)
	}
	run, ok := s.kinds[x.kind]
	if !ok {
		// A worker of a newer version may have a handler, so this is an ordinary failure.
		return nil, fmt.Errorf("no handler for kind %q", x.kind)
	}
	if x.failures > 0 {
		if result := s.storedResult(x); result != nil {
			return result, nil
		}
	}
	switch _, iderr := parseRunID(x.runID); {
	case iderr != nil:
		err = &rejection{iderr}
	case x.failures > 0 && x.failures >= x.maxAttempts:
		x.tenant = payloadTenant(t.Payload())
		err = &rejection{errExhausted}
	default:
		result, err = run(ctx, x, t.Payload())
	}
	if _, rejected := errors.AsType[*rejection](err); rejected {
		return nil, s.reject(ctx, x, t, err)
	}
	return result, err
}

// reject calls OnReject, which closes the run's record, and then ends the task for
// good.
func (s *Server) reject(ctx context.Context, x *execution, t *asynq.Task, cause error) error {
	if s.cfg.OnReject != nil {
		r := Rejected{x.kind, x.runID, x.tenant, excerpt(t.Payload(), 200), cause}
		if err := s.cfg.OnReject(ctx, r); err != nil {
			return fmt.Errorf("%w (closing the run's record: %w)", cause, err)
		}
	}
	return Never(cause)
}

// storedResult returns the result of an earlier execution that stored it but could not
// mark the task as done in Redis. It returns nil if there is no result. It also sets
// x.died.
func (s *Server) storedResult(x *execution) []byte {
	info, err := s.inspector.GetTaskInfo(x.queue, x.runID)
	if err != nil {
		return nil
	}
	x.died = info.LastErr == asynq.ErrLeaseExpired.Error()
	if len(info.Result) == 0 {
		return nil
	}
	return info.Result
}

// store writes the result before asynq marks the task as done. It retries for
// resultTimeout, so that Redis has time to restart. If Redis remains unavailable, the
// run has still ended, and its record in Postgres holds the result.
func (s *Server) store(ctx context.Context, x *execution, t *asynq.Task, result []byte) {
	var err error
	for end := time.Now().Add(resultTimeout); ; {
		if _, err = t.ResultWriter().Write(result); err == nil {
			return
		}
		if time.Now().After(end) || sleep.For(ctx, resultRetry) != nil {
			break
		}
	}
	s.log.Warnw("result not stored", "run", x.runID, "kind", x.kind, "error", err)
}
