package traces

import (
	"context"
	"errors"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestOffUnlessThereIsACollector(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		on   bool
		says string
	}{
		"nothing":   {nil, false, ""},
		"disabled":  {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, false, ""},
		"endpoint":  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:4318"}, true, ""},
		"traces":    {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, true, ""},
		"no scheme": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, true, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"grpc": {map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		}, true, "want http/protobuf"},
		"grpc, and no collector": {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, ""},
	} {
		on, err := configured(func(name string) string { return c.env[name] })
		if on != c.on || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: on %v, %v", name, on, err)
		}
	}
	var off *Traces
	if off.On() || off.Close(t.Context()) != nil {
		t.Error("a nil Traces is on, or its Close fails")
	}
}

// kept returns a Traces that exports its spans to memory.
func kept(t *testing.T) (*Traces, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	return &Traces{provider: provider, tracer: provider.Tracer("test")}, exporter
}

func TestTraceTravelsWithTheTask(t *testing.T) {
	t.Parallel()
	tr, exporter := kept(t)
	ctx, end := tr.Command(t.Context(), "enqueue import")
	headers := tr.Headers(ctx)
	end(nil)
	ctx, id, ended := tr.Task(t.Context(), Task{Kind: "halo:import", RunID: "r", Headers: headers})
	tr.Halo(ctx, "GET /Client/{id}")(404, errors.New("Bearer hunter2"))
	tr.Statement(ctx, "\n insert into x values ($1)")("23505", errors.New("Key (name)=(hunter2)"))
	ended(Ended{Verdict: "later", Err: errors.New("hunter2")})

	spans := exporter.GetSpans()
	if len(spans) != 4 || id == "" {
		t.Fatalf("%d spans, trace %q", len(spans), id)
	}
	for _, span := range spans {
		if got := span.SpanContext.TraceID().String(); got != id {
			t.Errorf("%s is in trace %s, want %s", span.Name, got, id)
		}
		for _, a := range span.Attributes {
			if strings.Contains(a.Value.String(), "hunter2") {
				t.Errorf("%s: %v", span.Name, a)
			}
		}
		if strings.Contains(span.Status.Description, "hunter2") || len(span.Events) > 0 {
			t.Errorf("span %s contains the message of an error", span.Name)
		}
	}
}

// Requests and statements outside a trace, such as those of the scheduler's
// ticks, are not recorded.
func TestNothingOutsideOfATrace(t *testing.T) {
	t.Parallel()
	tr, exporter := kept(t)
	tr.Halo(context.Background(), "GET /Client")(200, nil)
	tr.Statement(context.Background(), "select 1")("", nil)
	if tr.Headers(context.Background()) != nil {
		t.Error("headers without a trace")
	}
	if n := len(exporter.GetSpans()); n != 0 {
		t.Errorf("%d spans", n)
	}
	_, id, end := tr.Task(context.Background(), Task{Kind: "halo:resync"})
	end(Ended{})
	if id == "" || len(exporter.GetSpans()) != 1 {
		t.Error("a task without headers does not begin a trace")
	}
}
