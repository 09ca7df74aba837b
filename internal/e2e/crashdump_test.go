package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
)

// A worker receives SIGQUIT while it sends requests with a token. Go then
// prints the stack of every goroutine, including argument values. The search at
// the end of the test covers this output.
func TestCrashOutputHoldsNoSecret(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(500, 7)
	in.Env = []string{"GOTRACEBACK=all", "HALOSYNC_LOG_LEVEL=debug"}
	w := in.StartWorker()
	in.Connect()
	in.Halo.Gate(halotest.Rule{Page: 3})
	id := in.Request("import", "--all")
	in.Eventually("pages are written", func() bool { return in.Pages(id) == 2 })
	if err := w.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-w.Done
	if dump := w.Log.String(); !strings.Contains(dump, "SIGQUIT") || !strings.Contains(dump, "halosync/internal/importer.(*Importer).Import") {
		t.Errorf("no dump during an import:\n%s", dump)
	}
	if n := len(in.Halo.Tokens()); n < 2 {
		t.Errorf("%d tokens", n)
	}
}

// asynqmon shows the contents of Redis. The search at the end of the test covers asynqmon's
// pages for servers and for tasks in each state.
func TestMonitorHoldsNoSecret(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(300, 7)
	in.Env = []string{"HALOSYNC_CONCURRENCY=1"}
	w := in.StartWorker()
	defer w.Stop(t)
	in.Connect()
	in.Enqueue("map", "--connection", "halo", "nobody=12", "--wait") // the task is completed, although the company does not exist
	// Halo refuses the credentials, so the task is archived.
	in.App.SetSecret("another")
	in.App.Revoke()
	in.Enqueue("import", "--connection", "halo", "--client", "12", "--wait")
	in.App.SetSecret(in.Secrets.Client)
	in.Must("connection", "update", "halo", "--client-secret-file", "-")
	// Halo's answer is not JSON, so the task is retried later.
	in.Halo.Fault(halotest.Rule{Route: "GET /Client/{id}", Times: 100}, halotest.HTML200())
	in.Must("import", "--connection", "halo", "--client", "13")
	gate := in.Halo.Gate(halotest.Rule{Page: 2})
	in.Must("import", "--connection", "halo", "--all")         // active
	in.Must("resync", "--connection", "halo")                  // postponed, so its state is retry
	in.Must("import", "--connection", "halo", "--search", "a") // pending or postponed
	rdb := in.ConnectRedis(in.Redis)
	count := func(state string) (n int64) {
		for _, queue := range []string{"interactive", "import", "resync"} {
			key := fmt.Sprintf("asynq:{%s}:%s", queue, state)
			n += rdb.LLen(t.Context(), key).Val() + rdb.ZCard(t.Context(), key).Val()
		}
		return n
	}
	seen, pages := map[string]bool{}, ""
	in.Eventually("tasks in each state", func() bool {
		for _, state := range installation.TaskStates {
			if !seen[state] && count(state) > 0 {
				seen[state] = true
				page := installation.MonitorPages(t, in.Redis)
				in.Keep("asynqmon, state by state", page)
				pages += page
			}
		}
		return len(seen) == len(installation.TaskStates)-1 // the state of a postponed task is retry, never scheduled
	})
	for _, shown := range []string{`"payload":"{\"tenant\":\"msp-1\"`, `"result":"{`, `"error_message":"`, `"servers":[{"id":`} {
		if !strings.Contains(pages, shown) {
			t.Errorf("no page shows %s", shown)
		}
	}
	gate.Open()
}
