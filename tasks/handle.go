package tasks

import (
	"context"
	"encoding/json"
)

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
		x.tenant, x.connection = args.Origin().Tenant, args.Origin().ConnectionID
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
