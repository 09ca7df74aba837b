package halosync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
)

// Two tenants, the same client ids and names, through the same programs.
func TestTwoTenants(t *testing.T) {
	t.Parallel()
	s := newSite(t, fast)
	w := s.startWorker(s.keyset)
	defer w.stop(t)
	s.tenant.Seed(300, 7)
	for _, tenant := range []string{"msp-1", "msp-2"} {
		s.extraEnv = []string{"HALOSYNC_TENANT=" + tenant}
		s.connect()
		if r := s.importAll(); r.State != "succeeded" || r.Created == 0 || r.Linked != 0 || r.Unchanged != 0 {
			t.Errorf("%s: %+v", tenant, r)
		}
	}
	type row struct{ ID, Tenant string }
	ones := decode[[]row](t, s.must("--tenant", "msp-1", "companies", "list", "-o", "json"))
	twos := decode[[]row](t, s.must("--tenant", "msp-2", "companies", "list", "-o", "json"))
	if len(ones) == 0 || len(ones) != len(twos) {
		t.Fatalf("%d and %d companies", len(ones), len(twos))
	}
	for _, c := range ones {
		if c.Tenant != "msp-1" {
			t.Fatalf("company %s of tenant %s shown to msp-1", c.ID, c.Tenant)
		}
	}
	// Ids of the one, asked for by the other: not found, without a hint.
	runs := decode[[]row](t, s.must("--tenant", "msp-1", "runs", "list", "-o", "json"))
	conns := decode[[]row](t, s.must("--tenant", "msp-1", "connection", "list", "-o", "json"))
	for _, args := range [][]string{
		{"runs", "show", runs[0].ID}, {"runs", "cancel", runs[0].ID}, {"runs", "retry", runs[0].ID},
		{"connection", "show", conns[0].ID}, {"connection", "test", conns[0].ID}, {"connection", "remove", conns[0].ID, "--yes"},
		{"clients", "--connection", conns[0].ID}, {"import", "--connection", conns[0].ID, "--all"},
		{"runs", "approve", runs[0].ID}, {"runs", "undo", runs[0].ID}, {"suggest", "--connection", conns[0].ID},
		{"map", "--connection", conns[0].ID, "a=1"}, {"resync", "--connection", conns[0].ID},
		{"schedule", "clear", "--connection", conns[0].ID}, {"schedule", "set", "--connection", conns[0].ID, "@daily"},
	} {
		out, errs, code := s.enqueue(append([]string{"--tenant", "msp-2"}, args...)...)
		if code != 1 || !strings.Contains(errs, "does not exist") || out != "" {
			t.Errorf("msp-2: enqueue %s: exit code %d, %s%s", strings.Join(args, " "), code, out, errs)
		}
	}
	mappings := decode[[]row](t, s.must("--tenant", "msp-1", "mappings", "-o", "json"))
	for _, verb := range []string{"unmap", "restore"} {
		out, errs, code := s.enqueue("--tenant", "msp-2", verb, mappings[0].ID, "-o", "json")
		if code != 3 || !strings.Contains(out+errs, "does not exist") {
			t.Errorf("msp-2: enqueue %s: exit code %d, %s%s", verb, code, out, errs)
		}
	}
	if out := s.must("--tenant", "msp-2", "events", "--mapping", mappings[0].ID, "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("msp-2 sees events of msp-1: %s", out)
	}
	if n := len(decode[[]row](t, s.must("--tenant", "msp-1", "mappings", "-o", "json"))); n != len(mappings) {
		t.Errorf("msp-1 has %d mappings, and had %d", n, len(mappings))
	}
}

// A worker killed in the middle of an import: another one finishes it without
// a person, at the page that was not committed.
func TestKilledWorkerIsSucceeded(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: waits up to two minutes for the queue to notice a crash")
	}
	t.Parallel()
	const clients, pageSize = 3_000, 100
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 500 * time.Millisecond}))
	s.tenant.Seed(clients, 7)
	first := s.startWorker(s.keyset)
	s.connect()
	id := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	s.eventually("half of the pages are written", func() bool { return s.pages(id) >= clients/pageSize/2 })
	first.kill()
	killed := s.run(id)
	if killed.State != "running" || killed.Pages >= clients/pageSize {
		t.Fatalf("killed too late: %+v", killed)
	}
	requests := s.halo.Log().Pages

	second := s.startWorker(s.keyset)
	defer second.stop(t)
	s.eventually("the run has ended", func() bool { r := s.run(id); return r.State != "running" && r.State != "queued" })
	r := s.run(id)
	if r.State != "succeeded" || !r.Complete || r.Records != clients || r.Pages != clients/pageSize || r.Attempt != 2 {
		t.Errorf("after the crash: %+v", r)
	}
	// Each page committed once, the ones before the crash not even read again.
	again := 0
	for page, n := range s.halo.Log().Pages {
		if page <= killed.Pages && n > requests[page] && page > 1 {
			again++
		}
	}
	if again > 1 {
		t.Errorf("%d committed pages were read again, want at most one", again)
	}
	if n := repotest.Value[int](t, s.db, `select count(*) - count(distinct client_id) from halosync.mappings`); n != 0 {
		t.Errorf("%d clients mapped twice", n)
	}
	if n := repotest.Value[int](t, s.db, `select count(*) from halosync.events where action = 'mapping.created'`); n != r.Created {
		t.Errorf("%d mappings created by the events, %d by the run", n, r.Created)
	}
}

// pages asks the ledger itself: starting the CLI takes longer than a page.
func (s *site) pages(run string) int {
	s.t.Helper()
	return repotest.Value[int](s.t, s.db, `select pages from halosync.runs where id = $1`, run)
}

// A stopped worker hands its run over without an attempt spent, and at once.
func TestStoppedWorkerHandsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 500 * time.Millisecond}))
	s.tenant.Seed(2_000, 7)
	first := s.startWorker(s.keyset)
	s.connect()
	id := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	s.eventually("a few pages are written", func() bool { return s.pages(id) >= 3 })
	first.stop(t)
	if r := s.run(id); r.State != "queued" || r.Pages >= 20 {
		t.Fatalf("after the stop: %+v", r)
	}
	second := s.startWorker(s.keyset)
	defer second.stop(t)
	s.eventually("the run has ended", func() bool { r := s.run(id); return r.State != "running" && r.State != "queued" })
	if r := s.run(id); r.State != "succeeded" || r.Records != 2_000 || r.Pages != 20 {
		t.Errorf("after the hand-over: %+v", r)
	}
}

// A Redis that lost everything: the same request finds its run in the ledger
// and puts it back into the queue.
func TestSameRequestHealsALostQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t, fast)
	s.tenant.Seed(150, 7)
	s.connect()
	first := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json"))
	if err := s.connectRedis(s.redis).FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	out, errs, code := s.enqueue("import", "--connection", "halo", "--all", "-o", "json")
	if again := decode[run](t, out); code != 0 || again.ID != first.ID || !strings.Contains(errs, "under way already") {
		t.Fatalf("same request: exit code %d, %s%s", code, out, errs)
	}
	w := s.startWorker(s.keyset)
	defer w.stop(t)
	s.must("runs", "watch", first.ID)
	if r := s.run(first.ID); r.State != "succeeded" || r.Records != 150 {
		t.Errorf("run: %+v", r)
	}
}

// Nobody has to ask again: a worker's dispatcher puts back what a flush took.
func TestDispatcherHealsALostQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t, fast)
	s.tenant.Seed(150, 7)
	s.connect()
	id := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	if err := s.connectRedis(s.redis).FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	// Instead of two minutes of waiting.
	repotest.Exec(t, s.db, `update halosync.runs set dispatched_at = now() - interval '3 minutes'`)
	w := s.startWorker(s.keyset)
	defer w.stop(t)
	s.must("runs", "watch", id)
	if r := s.run(id); r.State != "succeeded" || r.Records != 150 || r.Attempt != 1 {
		t.Errorf("run: %+v", r)
	}
	if !strings.Contains(w.page(t, "/metrics"), "halosync_runs_dispatched_total 1") {
		t.Error("the metrics do not tell of it")
	}
}
