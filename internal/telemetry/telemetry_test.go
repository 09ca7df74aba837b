package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/halosync/halosync/internal/plaintext"
)

func TestLoggerWritesOneObjectALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, level, err := NewLogger(&out, "json", zapcore.InfoLevel)
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("hidden")
	log.Info("seen", zap.String("run", "r1"))
	level.SetLevel(zapcore.DebugLevel)
	log.Debug("now too")

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("lines: %q", lines)
	}
	var entry struct{ Time, Level, Msg, Run string }
	if err := json.Unmarshal([]byte(lines[0]), &entry); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339Nano, entry.Time); err != nil || entry.Msg != "seen" || entry.Run != "r1" {
		t.Errorf("entry %+v, %v", entry, err)
	}
	if _, _, err := NewLogger(&out, "xml", zapcore.InfoLevel); err == nil {
		t.Error("format xml accepted")
	}
}

func TestOpsPages(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection refused")
	var redis error
	m := NewMetrics("v1.2.3")
	m.HaloAttempt("GET /Client/{id}", 404, 20*time.Millisecond, 7)
	m.TaskDone("halo:import", "done", time.Second)
	l, err := Listen(t.Context(), "127.0.0.1:0", opsHandler(m, 0,
		Check{"postgres", func(context.Context) error { return nil }},
		Check{"redis", func(context.Context) error { return redis }},
	))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})

	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + l.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if code, body := get("/livez"); code != 200 || body != "ok\n" {
		t.Errorf("/livez: %d %q", code, body)
	}
	if code, body := get("/readyz"); code != 200 || body != "postgres: ok\nredis: ok\n" {
		t.Errorf("/readyz: %d %q", code, body)
	}
	redis = broken
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "redis: connection refused") {
		t.Errorf("/readyz with a broken redis: %d %q", code, body)
	}
	code, body := get("/metrics")
	for _, want := range []string{
		`halosync_halo_request_seconds_count{route="GET /Client/{id}",status="404"} 1`,
		`halosync_halo_response_bytes_total{route="GET /Client/{id}"} 7`,
		`halosync_task_seconds_count{kind="halo:import",verdict="done"} 1`,
		`halosync_build_info{version="v1.2.3"} 1`,
	} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("/metrics (%d) lacks %s", code, want)
		}
	}
	if code, _ := get("/nothing"); code != 404 {
		t.Errorf("/nothing: %d", code)
	}
	if _, err := Listen(t.Context(), l.Addr(), http.NotFoundHandler()); err == nil {
		t.Error("second listener on one address")
	}
}

// Many requests for /readyz share one check, even if the request that caused it
// was cancelled.
func TestReadinessIsShared(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	p := &readiness{kept: time.Hour, checks: []Check{{"postgres", func(ctx context.Context) error {
		asked <- struct{}{}
		return ctx.Err()
	}}}}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if status, text := p.get(gone); status != 200 || text != "postgres: ok" {
		t.Errorf("%d %q", status, text)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if status, _ := p.get(t.Context()); status != 200 {
				t.Errorf("status %d", status)
			}
		})
	}
	all.Wait()
	if len(asked) != 1 {
		t.Errorf("%d checks", len(asked))
	}
	p.until = time.Time{}
	if p.get(t.Context()); len(asked) != 2 {
		t.Error("an old result is not checked again")
	}
}

// TestLogLinesAreTame logs hostile strings in every part of a log line.
func TestLogLinesAreTame(t *testing.T) {
	t.Parallel()
	evil := "a\x1b[2J\u009b2J\x7f\u202eb\u2028c\r\nd\x00\u200b\U000e0041"
	for _, format := range []string{"json", "console"} {
		var out bytes.Buffer
		log, _, err := NewLogger(&out, format, zapcore.InfoLevel)
		if err != nil {
			t.Fatal(err)
		}
		log.Named(evil).With(zap.String("with", evil)).Info(evil, zap.String("name", evil), zap.Error(errors.New(evil)))
		line := strings.TrimSuffix(out.String(), "\n")
		if strings.ReplaceAll(plaintext.Printable(line), "\ufffd", "") != strings.ReplaceAll(strings.ReplaceAll(line, "\t", ""), "\ufffd", "") || strings.Contains(line, "\n") {
			t.Errorf("%s: %+q", format, line)
		}
		var entry struct{ Name string }
		if format == "json" && (json.Unmarshal([]byte(line), &entry) != nil || entry.Name != evil) {
			t.Errorf("came back as %+q", entry.Name)
		}
	}
}

func TestMadeUpStatusesShareALabel(t *testing.T) {
	t.Parallel()
	m := NewMetrics("test")
	for status := 100; status < 1000; status++ {
		m.HaloAttempt("GET /Client", status, time.Millisecond, 1)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); n > 80 {
			t.Errorf("%s: %d series", f.GetName(), n)
		}
	}
}
