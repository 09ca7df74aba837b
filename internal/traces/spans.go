package traces

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxStatement is the maximum size in bytes of the SQL text in a span.
const maxStatement = 4_000

// Command begins a trace for a command. The span contains only the command's name.
func (t *Traces) Command(ctx context.Context, name string) (_ context.Context, end func(error)) {
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	return ctx, func(err error) { finish(span, err) }
}

// Task describes an execution of a task.
type Task struct {
	Kind, Queue, RunID string
	Attempt            int
	Headers            map[string]string // the task's headers
}

// Ended is the result of an execution.
type Ended struct {
	Tenant, Connection, Verdict string
	Err                         error
}

// Task continues the trace in a task's headers, or begins a new one. It returns the
// trace's id.
func (t *Traces) Task(ctx context.Context, task Task) (_ context.Context, id string, end func(Ended)) {
	ctx = t.context.Extract(ctx, propagation.MapCarrier(task.Headers))
	ctx, span := t.tracer.Start(ctx, task.Kind, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "asynq"),
		attribute.String("messaging.destination.name", task.Queue),
		attribute.String("messaging.message.id", task.RunID),
		attribute.String("halosync.run", task.RunID),
		attribute.Int("halosync.attempt", task.Attempt),
	))
	return ctx, span.SpanContext().TraceID().String(), func(e Ended) {
		span.SetAttributes(
			attribute.String("halosync.tenant", e.Tenant),
			attribute.String("halosync.connection", e.Connection),
			attribute.String("halosync.verdict", e.Verdict),
		)
		if e.Verdict == "later" {
			e.Err = nil // a run that is waiting has not failed
		}
		finish(span, e.Err)
	}
}

// Halo begins a span for an HTTP attempt. The route is a route template. Outside a
// trace, for example in a tick of the scheduler, it records nothing.
func (t *Traces) Halo(ctx context.Context, route string) (end func(status int, err error)) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return func(int, error) {}
	}
	method, path, _ := strings.Cut(route, " ")
	_, span := t.tracer.Start(ctx, route, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", method), attribute.String("url.template", path)))
	return func(status int, err error) {
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		finish(span, err)
	}
}

// Statement begins a span for a SQL statement or a batch of them, with placeholders
// instead of values. Outside a trace it records nothing.
func (t *Traces) Statement(ctx context.Context, text string) (end func(class string, err error)) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return func(string, error) {}
	}
	text = strings.TrimSpace(text)
	verb := text
	if end := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }); end >= 0 {
		verb = text[:end]
	}
	if len(text) > maxStatement {
		text = strings.ToValidUTF8(text[:maxStatement], "") + "…"
	}
	_, span := t.tracer.Start(ctx, "SQL "+strings.ToLower(verb), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("db.system.name", "postgresql"), attribute.String("db.query.text", text)))
	return func(class string, err error) {
		if class != "" {
			span.SetAttributes(attribute.String("db.response.status_code", class))
		}
		finish(span, err)
	}
}

// finish ends a span. It records only the type of an error, because the message may
// contain private data. The log contains the message.
func finish(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", err)))
	}
	span.End()
}
