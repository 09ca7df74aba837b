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
	// resultPatience is how long a finished result is offered to a Redis that
	// does not take it; a lost lease or a shutdown ends it earlier.
	resultPatience = 20 * time.Second
	resultPause    = 500 * time.Millisecond
)

var (
	errDraining  = errors.New("worker is stopping")
	errExhausted = errors.New("no attempts left: the last one did not come to an end")
)

// execution is what the server knows of the task in hand.
type execution struct {
	kind, queue, runID, tenant, connection string

	failures    int // attempts spent before this one
	maxAttempts int
	span        Span
	ended       *RunResult // what the handler came to; nil if it did not
	died        bool       // the execution before this one lost its worker
	draining    <-chan struct{}
}

func (x *execution) attempt() int { return x.failures + 1 }
func (x *execution) final() bool  { return x.attempt() >= x.maxAttempts }

// rejection is a task that its handler must not see.
type rejection struct{ err error }

func (e *rejection) Error() string { return e.err.Error() }
func (e *rejection) Unwrap() error { return e.err }

// panicError is a handler's panic. The stack goes to the log only.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// process is the edge between asynq and the handlers.
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
		// asynq does not listen any more.
		verdict, verr = VerdictInterrupted, errors.Join(context.Cause(ctx), err)
	}
	s.report(x, verdict, verr, time.Since(started))
	return verr
}

func (s *Server) newExecution(ctx context.Context, t *asynq.Task) *execution {
	x := &execution{kind: t.Type(), draining: s.draining}
	// What is missing outside of asynq is zero.
	x.queue, _ = asynq.GetQueueName(ctx)
	x.runID, _ = asynq.GetTaskID(ctx)
	x.failures, _ = asynq.GetRetryCount(ctx)
	x.maxAttempts, _ = asynq.GetMaxRetry(ctx)
	return x
}

// execute finds out what to do with a task and does it.
func (s *Server) execute(ctx context.Context, x *execution, t *asynq.Task) (result []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, &panicError{p, debug.Stack()}
		}
	}()
	select {
	case <-s.draining: // taken in the moment of stopping
		return nil, Later(0, errDraining)
	default:
	}
	run, ok := s.kinds[x.kind]
	if !ok {
		// A newer worker may know it, so this is a failure like others.
		return nil, fmt.Errorf("kind %q has no handler here", x.kind)
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

// reject ends a task for good once whoever keeps the records has been told.
func (s *Server) reject(ctx context.Context, x *execution, t *asynq.Task, cause error) error {
	if s.cfg.OnReject != nil {
		r := Rejected{x.kind, x.runID, x.tenant, excerpt(t.Payload(), 200), cause}
		if err := s.cfg.OnReject(ctx, r); err != nil {
			return fmt.Errorf("%w (and telling so: %w)", cause, err)
		}
	}
	return Never(cause)
}

// storedResult is the result of an earlier execution whose end got lost on the
// way to asynq; nil if there is none. It also finds out how that one ended.
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

// store writes the result, once, as the last act before asynq is told that the
// task is done. A Redis that restarts in this very moment is waited for. When
// it does not come back the run has ended all the same, in its own record.
func (s *Server) store(ctx context.Context, x *execution, t *asynq.Task, result []byte) {
	var err error
	for end := time.Now().Add(resultPatience); ; {
		if _, err = t.ResultWriter().Write(result); err == nil {
			return
		}
		if time.Now().After(end) || sleep.For(ctx, resultPause) != nil {
			break
		}
	}
	s.log.Warnw("result not stored", "run", x.runID, "kind", x.kind, "error", err)
}
