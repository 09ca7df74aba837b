package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// A worker is killed during an import, and another worker continues at the
// first uncommitted page. The queue takes minutes to detect the crash. The
// short form backdates stored times instead of waiting.
func TestKilledWorkerIsSucceeded(t *testing.T) {
	t.Parallel()
	const clients, pages, held = 1_200, 12, 7
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(clients, 7)
	first := in.StartWorker()
	in.Connect()
	gate := in.Halo.Gate(halotest.Rule{Page: held})
	id := in.Request("import", "--all")
	in.Eventually("half of the pages are written", func() bool { return in.Pages(id) == held-1 })
	first.Kill()
	killed := in.Run(id)
	if killed.State != "running" || killed.Pages != held-1 {
		t.Fatalf("killed too late: %+v", killed)
	}
	requests := in.Halo.Log().Pages
	gate.Open()
	if !installation.Long() {
		in.Leap(2 * time.Minute)
	}

	second := in.StartWorker()
	defer second.Stop(t)
	r := in.AwaitRun(id)
	if r.State != "succeeded" || !r.Complete || r.Records != clients || r.Pages != pages || r.Attempt != 2 {
		t.Errorf("after the crash: %+v", r)
	}
	// Each page is committed once. At most one committed page is read again.
	again := 0
	for page, n := range in.Halo.Log().Pages {
		if page <= killed.Pages && n > requests[page] && page > 1 {
			again++
		}
	}
	if again > 1 {
		t.Errorf("%d committed pages were read again, want at most one", again)
	}
	if n := repotest.Value[int](t, in.DB, `select count(*) - count(distinct client_id) from halosync.mappings`); n != 0 {
		t.Errorf("%d clients mapped twice", n)
	}
	if n := repotest.Value[int](t, in.DB, `select count(*) from halosync.events where action = 'mapping.created'`); n != r.Created {
		t.Errorf("%d mappings created according to the events, %d according to the run", n, r.Created)
	}
}

// smallPages configures a Halo with ten rows per page. The list then has more
// than 48 pages, the number that package halo reads ahead. A stopping worker still writes
// the pages that it has read ahead.
var smallPages = halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, PageCap: 10})

// A stopped worker hands its run over at once, without a failed attempt.
func TestStoppedWorkerHandsOver(t *testing.T) {
	t.Parallel()
	const clients, pages, held = 1_200, 120, 4
	in := installation.New(t, smallPages)
	in.Tenant.Seed(clients, 7)
	first := in.StartWorker()
	in.Connect()
	gate := in.Halo.Gate(halotest.Rule{Page: held})
	id := in.Request("import", "--all")
	in.Eventually("a few pages are written", func() bool { return in.Pages(id) == held-1 })
	first.KeepPages()
	first.Signal(syscall.SIGTERM)
	in.Eventually("the worker is stopping", first.Stopping)
	gate.Open()
	first.Stopped(t)
	if r := in.Run(id); r.State != "queued" || r.Pages < held-1 || r.Pages > pages/2 {
		t.Fatalf("after the stop: %+v", r)
	}
	second := in.StartWorker()
	defer second.Stop(t)
	if r := in.AwaitRun(id); r.State != "succeeded" || r.Records != clients || r.Pages != pages {
		t.Errorf("after the hand-over: %+v", r)
	}
}

// Redis has lost all data. Repeating the request finds the run in the ledger
// and enqueues the run again.
func TestSameRequestHealsALostQueue(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(150, 7)
	in.Connect()
	first := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "-o", "json"))
	if err := in.ConnectRedis(in.Redis).FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	out, errs, code := in.Enqueue("import", "--connection", "halo", "--all", "-o", "json")
	if again := installation.Decode[installation.Run](t, out); code != 0 || again.ID != first.ID || !strings.Contains(errs, "already in progress") {
		t.Fatalf("same request: exit code %d, %s%s", code, out, errs)
	}
	w := in.StartWorker()
	defer w.Stop(t)
	in.Must("runs", "watch", first.ID)
	if r := in.Run(first.ID); r.State != "succeeded" || r.Records != 150 {
		t.Errorf("run: %+v", r)
	}
}

// Without a repeated request, a worker's dispatcher enqueues the lost runs
// again.
func TestDispatcherHealsALostQueue(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(150, 7)
	in.Connect()
	id := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "-o", "json")).ID
	if err := in.ConnectRedis(in.Redis).FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	// Move the time back instead of waiting two minutes.
	repotest.Exec(t, in.DB, `update halosync.runs set dispatched_at = now() - interval '3 minutes'`)
	w := in.StartWorker()
	defer w.Stop(t)
	in.Must("runs", "watch", id)
	if r := in.Run(id); r.State != "succeeded" || r.Records != 150 || r.Attempt != 1 {
		t.Errorf("run: %+v", r)
	}
	if !strings.Contains(w.Page(t, "/metrics"), "halosync_runs_dispatched_total 1") {
		t.Error("the metrics do not count the dispatched run")
	}
}
