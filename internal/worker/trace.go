package worker

import (
	"context"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/traces"
	"github.com/halosync/halosync/tasks"
)

// spans creates the spans of the worker, if the environment configures a collector.
type spans struct {
	*traces.Traces
	log *zap.Logger
}

func (p *program) newSpans(ctx context.Context, log *zap.Logger) (spans, error) {
	t, err := traces.New(ctx, p.getenv, "halosync-worker", p.version, func(err error) {
		log.Warn("traces", zap.Error(err))
	})
	if err != nil {
		return spans{}, &config.FaultsError{Faults: []string{err.Error()}}
	}
	return spans{t, log}, nil
}

// close exports the remaining spans. It logs a failure and otherwise ignores it.
func (s spans) close(ctx context.Context) {
	if err := s.Close(ctx); err != nil {
		s.log.Warn("traces", zap.Error(err))
	}
}

func (s spans) tasks() func(context.Context, tasks.Execution) (context.Context, tasks.Span) {
	if !s.On() {
		return nil
	}
	return func(ctx context.Context, x tasks.Execution) (context.Context, tasks.Span) {
		ctx, id, end := s.Task(ctx, traces.Task{Kind: x.Kind, Queue: x.Queue, RunID: x.RunID, Attempt: x.Attempt, Headers: x.Headers})
		return ctx, tasks.Span{TraceID: id, End: func(d tasks.Done) {
			end(traces.Ended{Tenant: d.Tenant, Connection: d.Connection, Verdict: string(d.Verdict), Err: d.Err})
		}}
	}
}
