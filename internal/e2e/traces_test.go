package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/halosync/halosync/internal/e2e/installation"
)

// tracesTo starts an OpenTelemetry collector for the installation's programs.
func tracesTo(in *installation.Installation) func() []*spans.Span {
	in.T.Helper()
	var mu sync.Mutex
	var got []*spans.Span
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var batch collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &batch) != nil || r.URL.Path != "/v1/traces" {
			in.T.Errorf("%s: %v", r.URL, err)
		}
		in.Keep("traces", fmt.Sprint(r.URL, r.Header, batch.String()))
		mu.Lock()
		defer mu.Unlock()
		for _, of := range batch.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				got = append(got, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	in.CloseLast(func() error { server.Close(); return nil })
	in.Env = append(in.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL, "OTEL_BSP_SCHEDULE_DELAY=100")
	return func() []*spans.Span {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// One trace covers a person's request, from the command to the last SQL
// statement. For a request made in SQL, the trace begins with the execution. No
// trace contains a secret.
func TestOneTraceFromRequestToSQL(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	all := tracesTo(in)
	in.Tenant.Seed(150, 7)
	in.Connect()
	w := in.StartWorker()
	id := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "--wait", "-o", "json")).ID
	in.Must("resync", "--connection", "halo", "--wait")
	if err := w.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	in.Eventually("the level has changed", func() bool { return strings.Contains(w.Log.String(), `"msg":"log level","version"`) })
	w.Stop(t) // sends the remaining spans

	names := map[string]map[string]int{} // by trace
	var trace, line string
	for _, span := range all() {
		of := hex.EncodeToString(span.GetTraceId())
		if names[of] == nil {
			names[of] = map[string]int{}
		}
		names[of][span.GetName()]++
		for _, a := range span.GetAttributes() {
			if a.GetKey() == "halosync.run" && a.GetValue().GetStringValue() == id {
				trace = of
			}
		}
	}
	for _, want := range []string{"enqueue import", "halo:import", "GET /Client", "SQL begin", "SQL select", "SQL with", "SQL commit"} {
		if names[trace][want] == 0 {
			t.Errorf("the import's trace has no span %q, only %v", want, names[trace])
		}
	}
	for text := range strings.Lines(w.Log.String()) {
		if strings.Contains(text, `"msg":"task"`) && strings.Contains(text, id) {
			line = text
		}
	}
	for _, want := range []string{`"trace":"` + trace + `"`, `"connection":"`, `"state":"succeeded"`, `"pages":`, `"records":`, `"created":`, `"attempt":1,`, `"duration":`} {
		if !strings.Contains(line, want) {
			t.Errorf("the import's log line lacks %s: %s", want, line)
		}
	}
	if len(names) > 20 {
		t.Errorf("%d traces: ticks must not be traced", len(names))
	}
}

// An invalid trace setting is reported like any other invalid setting. An
// unreachable collector has no effect.
func TestTracesChangeNothing(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	in.Tenant.Seed(3, 7)
	in.Connect()
	in.Env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318"}
	if said := in.Work(2); !strings.Contains(said, "OTEL_EXPORTER_OTLP_ENDPOINT: want an address such as") {
		t.Errorf("worker: %s", said)
	}
	in.Env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}
	w := in.StartWorker()
	in.Must("import", "--connection", "halo", "--all", "--wait")
	w.Stop(t)
}
