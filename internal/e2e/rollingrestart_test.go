package halosync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
)

// A deploy in the middle of an import: three workers are replaced one after the
// other. Each ends within its 20 s, no attempt is spent, and a restart costs
// one page at most.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	const clients, pages = 8_000, 80
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: time.Second}))
	s.tenant.Seed(clients, 7)
	s.connect()
	before := s.halo.Log()
	workers := make([]*workerProcess, 3)
	for i := range workers {
		workers[i] = s.startWorker(s.keyset)
	}
	id := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	handed, logs := 0, ""
	for i, old := range workers {
		at := s.pages(id)
		s.eventually("the import goes on", func() bool { return s.pages(id) >= at+2 })
		workers[i] = s.startWorker(s.keyset)
		if r := s.run(id); r.State != "running" && r.State != "queued" {
			t.Fatalf("over before restart %d: %+v", i+1, r)
		}
		begun := time.Now()
		old.stop(t) // wants exit code 0 within 20 s
		if log := old.log.String(); strings.Contains(log, id) {
			handed++
			logs += log
		}
		t.Logf("restart %d: stopped after %v, at page %d", i+1, time.Since(begun).Round(time.Millisecond), s.pages(id))
	}
	if handed == 0 {
		t.Error("no worker that was replaced had the run")
	}
	s.eventually("the run has ended", func() bool { r := s.run(id); return r.State != "running" && r.State != "queued" })
	if r := s.run(id); r.State != "succeeded" || !r.Complete || r.Records != clients || r.Pages != pages {
		t.Errorf("run: %+v", r)
	}
	for _, w := range workers {
		w.stop(t)
		logs += w.log.String()
	}
	// The ledger counts executions, the queue the attempts that were spent.
	for line := range strings.Lines(logs) {
		if strings.Contains(line, id) && strings.Contains(line, `"msg":"task"`) && !strings.Contains(line, `"attempt":1,`) {
			t.Errorf("an attempt was spent: %s", line)
		}
	}
	repeated := 0
	for page, n := range s.halo.Log().Pages {
		// The first and the last page are looked at for the proof that the listing is complete.
		if page > 1 && page < pages {
			repeated += max(0, n-before.Pages[page]-1)
		}
	}
	t.Logf("%d hand-overs, %d pages read twice", handed, repeated)
	if repeated > handed {
		t.Errorf("%d pages were read twice in %d hand-overs", repeated, handed)
	}
	if n := repotest.Value[int](t, s.db, `select count(*) - count(distinct client_id) from halosync.mappings`); n != 0 {
		t.Errorf("%d clients mapped twice", n)
	}
}
