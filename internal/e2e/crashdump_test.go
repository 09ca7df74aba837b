package halosync_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// SIGQUIT makes Go print every goroutine with the values of its arguments, in
// the middle of requests with a token; what it prints is searched at the end.
func TestCrashOutputHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 200 * time.Millisecond}))
	s.tenant.Seed(2_000, 7)
	s.extraEnv = []string{"GOTRACEBACK=all", "HALOSYNC_LOG_LEVEL=debug"}
	w := s.startWorker(s.keyset)
	s.connect()
	id := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	s.eventually("pages are written", func() bool { return s.pages(id) >= 2 })
	if err := w.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-w.done
	if dump := w.log.String(); !strings.Contains(dump, "SIGQUIT") || !strings.Contains(dump, "halosync/internal/engine.(*Engine).Import") {
		t.Errorf("no dump in the middle of an import:\n%s", dump)
	}
	if n := len(s.halo.Tokens()); n < 2 {
		t.Errorf("%d tokens", n)
	}
}

// asynqmon shows what is in Redis: its pages for tasks in each state, and for
// servers, are searched at the end.
func TestMonitorHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 300 * time.Millisecond}))
	s.tenant.Seed(3_000, 7)
	s.extraEnv = []string{"HALOSYNC_CONCURRENCY=1"}
	w := s.startWorker(s.keyset)
	defer w.stop(t)
	s.connect()
	s.enqueue("map", "--connection", "halo", "nobody=12", "--wait") // completed, though nobody is there
	// Credentials that do not work any more: refused, so archived.
	s.app.SetSecret("another")
	s.app.Revoke()
	s.enqueue("import", "--connection", "halo", "--client", "12", "--wait")
	s.app.SetSecret(canarySecret)
	s.must("connection", "update", "halo", "--client-secret-file", "-")
	// An answer that is none: tried again later.
	s.halo.Fault(halotest.Rule{Route: "GET /Client/{id}", Times: 100}, halotest.HTML200())
	s.must("import", "--connection", "halo", "--client", "13")
	s.must("import", "--connection", "halo", "--all")         // active
	s.must("resync", "--connection", "halo")                  // put off, so scheduled
	s.must("import", "--connection", "halo", "--search", "a") // pending, or put off
	rdb := s.connectRedis(s.redis)
	count := func(state string) (n int64) {
		for _, queue := range []string{"interactive", "import", "resync"} {
			key := fmt.Sprintf("asynq:{%s}:%s", queue, state)
			n += rdb.LLen(t.Context(), key).Val() + rdb.ZCard(t.Context(), key).Val()
		}
		return n
	}
	seen, pages := map[string]bool{}, ""
	s.eventually("tasks in each state", func() bool {
		for _, state := range taskStates {
			if !seen[state] && count(state) > 0 {
				seen[state] = true
				page := monitorPages(t, s.redis)
				s.left.add("asynqmon, state by state", page)
				pages += page
			}
		}
		return len(seen) == len(taskStates)-1 // we schedule no tasks: what is put off is in retry
	})
	for _, shown := range []string{`"payload":"{\"tenant\":\"msp-1\"`, `"result":"{`, `"error_message":"`, `"servers":[{"id":`} {
		if !strings.Contains(pages, shown) {
			t.Errorf("no page shows %s", shown)
		}
	}
}
