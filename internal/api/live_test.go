package api

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/access"
)

// server serves the API over HTTP to tenant acme.
func (w *world) server() *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.ServeHTTP(rw, r.WithContext(access.With(r.Context(), w.actor)))
	}))
	s.Config.WriteTimeout = 50 * time.Millisecond // streams must last longer
	s.Config.RegisterOnShutdown(w.EndStreams)
	s.Start()
	w.t.Cleanup(s.Close)
	return s
}

// follow opens the stream of a run and returns its lines as they arrive.
func (w *world) follow(s *httptest.Server, run string) (lines <-chan string, end context.CancelFunc) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+Prefix+"/runs/"+run+"/live", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := s.Client().Do(r) //nolint:bodyclose // the goroutine that reads the body closes it
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("stream: %d %s", resp.StatusCode, readAll(w.t, resp.Body))
	}
	out := make(chan string)
	go func() {
		defer close(out)
		defer func() { _ = resp.Body.Close() }()
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			select {
			case out <- scan.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	w.t.Cleanup(cancel)
	return out, cancel
}

// until reads lines until one begins with text, and returns that line. It returns an empty
// string if the stream ends.
func until(t *testing.T, lines <-chan string, text string) string {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case line, open := <-lines:
			if !open || strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			t.Fatalf("no line with %q", text)
		}
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.KeepAlive = 20 * time.Millisecond })
	s := w.server()
	run := w.do("POST", "/imports", map[string]any{"connection": "halo", "all": true}).want(202).text("run_id")
	lines, _ := w.follow(s, run)
	if until(t, lines, `"state":"queued"`) == "" {
		t.Fatal("no event at the start")
	}
	until(t, lines, ": still queued") // keep-alive comments arrive after the server's write timeout
	until(t, lines, ": still queued")
	until(t, lines, ": still queued")
	until(t, lines, ": still queued")
	done := make(chan error)
	go func() { done <- w.perform(run) }()
	if until(t, lines, `"state":"running"`) == "" {
		t.Error("no event of the run in progress")
	}
	if until(t, lines, "event: end") == "" {
		t.Fatal("no end")
	}
	if line := until(t, lines, "data: "); !strings.Contains(line, `"state":"succeeded"`) || !strings.Contains(line, `"records_total":120`) {
		t.Errorf("end: %s", line)
	}
	if line := until(t, lines, "nothing more"); line != "" {
		t.Errorf("after the end: %s", line)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	ended, _ := w.follow(s, run)
	if until(t, ended, "event: end") == "" {
		t.Error("no end event for a run that had already ended")
	}
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.MaxStreams = 30 }) // 3 per tenant, 2 per key
	s := w.server()
	run := w.do("POST", "/imports", map[string]any{"connection": "halo", "all": true}).want(202).text("run_id")
	one, end := w.follow(s, run)
	two, _ := w.follow(s, run)
	until(t, one, "event: run")
	until(t, two, "event: run")
	if got := w.do("GET", "/runs/"+run+"/live", nil).want(http.StatusTooManyRequests); got.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	w.do("GET", "/runs/"+strings.Repeat("0", 32)+"/live", nil).want(404)
	// Another key of the same tenant still gets a stream. The tenant then has its maximum
	// number of streams.
	leave, err := w.streams.enter(t.Context(), access.Principal{Tenant: "acme", Actor: "key:other"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.streams.enter(t.Context(), access.Principal{Tenant: "acme", Actor: "key:third"}); err == nil {
		t.Error("more streams than a tenant may have")
	}
	leave()
	end() // the tenant may open another stream
	for deadline := time.Now().Add(30 * time.Second); w.Streams().Stats().Used == 2; {
		if time.Now().After(deadline) {
			t.Fatal("a closed stream is still counted")
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // polls for a condition
	}
	three, _ := w.follow(s, run)
	until(t, three, "event: run")
	// The server shuts down without waiting for streams.
	if err := s.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if line := until(t, three, "nothing more"); line != "" {
		t.Error(line)
	}
}
