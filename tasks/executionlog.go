package tasks

import (
	"errors"
	"time"
)

// logExecution logs an execution on one line and reports it to metrics and traces.
func (s *Server) logExecution(x *execution, verdict Verdict, err error, took time.Duration) {
	fields := append(x.fields(), "verdict", string(verdict), "duration", took)
	if err != nil {
		fields = append(fields, "error", bounded(err))
	}
	if p, ok := errors.AsType[*panicError](err); ok {
		fields = append(fields, "stack", string(p.stack))
	}
	switch {
	case verdict == VerdictNever:
		s.log.Errorw("task", fields...)
	case verdict == VerdictLater, verdict == VerdictDone && !x.incomplete():
		s.log.Infow("task", fields...)
	default:
		s.log.Warnw("task", fields...)
	}
	done := Done{
		Kind: x.kind, Queue: x.queue, RunID: x.runID, Attempt: x.attempt(), Duration: took,
		Verdict: verdict, Tenant: x.tenant, Connection: x.connection, Err: err,
	}
	if x.span.End != nil {
		x.span.End(done)
	}
	if s.cfg.Observe != nil {
		if s.kinds[x.kind] == nil {
			done.Kind = "other" // an unknown name must not become a metric label
		}
		s.cfg.Observe(done)
	}
}

// incomplete reports whether the run has ended without doing everything. A person should
// then look at it.
func (x *execution) incomplete() bool {
	return x.result != nil && x.result.State != StateSucceeded && x.result.State != StateCancelled
}

// fields returns the log fields of an execution and its result, without zero counts.
func (x *execution) fields() []any {
	fields := []any{
		"run", x.runID, "kind", x.kind, "tenant", x.tenant, "queue", x.queue, "attempt", x.attempt(),
	}
	if x.connection != "" {
		fields = append(fields, "connection", x.connection)
	}
	if x.span.TraceID != "" {
		fields = append(fields, "trace", x.span.TraceID)
	}
	r := x.result
	if r == nil {
		return fields
	}
	fields = append(fields, "state", r.State, "pages", r.Pages, "records", r.Records)
	for _, count := range []struct {
		name string
		n    int
	}{
		{"created", r.Created}, {"linked", r.Linked}, {"refreshed", r.Refreshed}, {"unchanged", r.Unchanged},
		{"ambiguous", r.Ambiguous}, {"skipped", r.Skipped}, {"failed", r.Failed},
		{"missing", r.Missing}, {"unverified", r.Unverified}, {"removed", r.Removed},
	} {
		if count.n > 0 {
			fields = append(fields, count.name, count.n)
		}
	}
	if r.Error != "" {
		fields = append(fields, "reason", excerpt([]byte(r.Error), maxErrorText))
	}
	return fields
}
