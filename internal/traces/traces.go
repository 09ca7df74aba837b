// Package traces sends spans to an OpenTelemetry collector. The spans follow a request
// through the queue to each HTTP attempt to Halo and each SQL statement. Tracing is off
// unless the environment names a collector.
//
// This package chooses every attribute of a span: ids, routes, SQL statements without
// values, and error types. A span never contains a URL's query, an error message from
// Halo or Postgres, or a company's name.
package traces

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTimeout bounds the last export, so that an unresponsive collector does not delay
// the shutdown of a worker.
const flushTimeout = 2 * time.Second

// Traces creates spans. A nil *Traces is off; only [Traces.On] and [Traces.Close] may
// be called on it.
type Traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
}

// New returns a Traces that sends spans to the collector named by
// OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. If neither is set, it
// returns nil. The library reads its other settings (headers, certificate, timeout,
// sampler, resource attributes) from the process's environment. The function failed is
// called for each failed export.
func New(ctx context.Context, getenv func(string) string, service, version string, failed func(error)) (*Traces, error) {
	on, err := configured(getenv)
	if !on || err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(failed)) // the library offers no other way
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Traces{provider: provider, tracer: provider.Tracer("github.com/halosync/halosync")}, nil
}

// configured reports whether a collector is configured. The error describes faults in the
// collector's address or protocol.
func configured(getenv func(string) string) (on bool, err error) {
	if getenv("OTEL_SDK_DISABLED") == "true" {
		return false, nil
	}
	for _, what := range []string{"", "TRACES_"} {
		name := "OTEL_EXPORTER_OTLP_" + what + "ENDPOINT"
		address := getenv(name)
		if address == "" {
			continue
		}
		on = true
		if u, perr := url.Parse(address); perr != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			err = errors.Join(err, fmt.Errorf("%s: want an address such as http://collector:4318", name))
		}
	}
	for _, what := range []string{"", "TRACES_"} {
		name := "OTEL_EXPORTER_OTLP_" + what + "PROTOCOL"
		if protocol := getenv(name); on && protocol != "" && protocol != "http/protobuf" {
			err = errors.Join(err, fmt.Errorf("%s is %.40q: want http/protobuf", name, protocol))
		}
	}
	return on, err
}

// On reports whether spans are created.
func (t *Traces) On() bool { return t != nil }

// Close sends the remaining spans.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// Headers returns the W3C trace context of ctx as headers for a task, or nil if ctx has
// no trace.
func (t *Traces) Headers(ctx context.Context) map[string]string {
	headers := propagation.MapCarrier{}
	t.context.Inject(ctx, headers)
	if len(headers) == 0 {
		return nil
	}
	return headers
}
