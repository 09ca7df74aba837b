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

// maxStatement bounds a statement's text, in bytes.
const maxStatement = 4_000

// Command begins a trace for a command line, of which only the command's name
// is told.
func (t *Traces) Command(ctx context.Context, name string) (_ context.Context, end func(error)) {
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	return ctx, func(err error) { finish(span, err) }
}

// Task is one execution of a task.
type Task struct {
	Kind, Queue, RunID string
	Attempt            int
	Headers            map[string]string // that came with it
}

// Ended is how an execution ended.
type Ended struct {
	Tenant, Connection, Verdict string
	Err                         error
}

// Task goes on with the trace that a task's headers name, or begins one. id is
// that trace's.
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
			e.Err = nil // waiting for one's turn is no failure
		}
		finish(span, e.Err)
	}
}

// Halo is one HTTP attempt, under its route's template. Outside of a trace it
// is none of anybody's business, as are the statements of a clock's tick.
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

// Statement is one statement of SQL, or several that go together, with
// placeholders for the values.
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

// finish ends a span. Of an error its type is told: the text may quote what
// nobody outside should read, and the log has it.
func finish(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", err)))
	}
	span.End()
}
