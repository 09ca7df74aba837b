package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// A deployment replaces three workers one after another during an import. Each
// worker ends with exit code 0, and no attempt fails. A restart repeats at most
// one page, because a stopping worker writes the pages that it read ahead. The
// simulated Halo holds a page until the replaced worker has received its
// signal, so the import cannot end earlier.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	const clients, pages = 2_400, 240
	held := []int{6, 80, 160} // one page for each restart
	in := installation.New(t, smallPages)
	in.Tenant.Seed(clients, 7)
	in.Connect()
	before := in.Halo.Log()
	workers := make([]*installation.Worker, len(held))
	for i := range workers {
		workers[i] = in.StartWorker()
	}
	gates := make([]*halotest.Gate, len(held))
	for i, page := range held {
		gates[i] = in.Halo.Gate(halotest.Rule{Page: page})
	}
	id := in.Request("import", "--all")
	handed, logs := 0, ""
	for i, old := range workers {
		in.Eventually("the import reaches the held page", func() bool { return in.Pages(id) == held[i]-1 })
		workers[i] = in.StartWorker()
		old.KeepPages()
		old.Signal(syscall.SIGTERM)
		in.Eventually("the replaced worker is stopping", old.Stopping)
		gates[i].Open()
		old.Stopped(t)
		if log := old.Log.String(); strings.Contains(log, id) {
			handed++
			logs += log
		}
	}
	if handed == 0 {
		t.Error("no replaced worker was executing the run")
	}
	if r := in.AwaitRun(id); r.State != "succeeded" || !r.Complete || r.Records != clients || r.Pages != pages {
		t.Errorf("run: %+v", r)
	}
	for _, w := range workers {
		w.Stop(t)
		logs += w.Log.String()
	}
	// The ledger counts executions, and the queue counts failed attempts.
	for line := range strings.Lines(logs) {
		if strings.Contains(line, id) && strings.Contains(line, `"msg":"task"`) && !strings.Contains(line, `"attempt":1,`) {
			t.Errorf("an attempt was spent: %s", line)
		}
	}
	repeated := 0
	for page, n := range in.Halo.Log().Pages {
		// An import reads the first and the last page twice, to prove that the
		// list is complete.
		if page > 1 && page < pages {
			repeated += max(0, n-before.Pages[page]-1)
		}
	}
	t.Logf("%d hand-overs, %d pages read twice", handed, repeated)
	if repeated > handed {
		t.Errorf("%d pages were read twice in %d hand-overs", repeated, handed)
	}
	if n := repotest.Value[int](t, in.DB, `select count(*) - count(distinct client_id) from halosync.mappings`); n != 0 {
		t.Errorf("%d clients mapped twice", n)
	}
}
