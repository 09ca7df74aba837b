package halosync_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// hung starts a worker whose import waits for a Halo that does not answer.
func hung(t *testing.T) (*site, *workerProcess, string) {
	t.Helper()
	s := newSite(t, fast)
	s.tenant.Seed(500, 7)
	w := s.startWorker(s.keyset)
	s.connect()
	s.halo.Fault(halotest.Rule{Page: 3, Times: halotest.Forever}, halotest.Hang(0))
	id := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	s.eventually("two pages are written and the third hangs", func() bool { return s.pages(id) == 2 })
	return s, w, id
}

// A page that does not come keeps a stopping worker for its 20 s at most, and
// the run is handed back.
func TestStopWhileHaloHangs(t *testing.T) {
	t.Parallel()
	s, w, id := hung(t)
	w.stop(t) // wants exit code 0 within 20 s
	if r := s.run(id); r.State != "queued" || r.Pages != 2 {
		t.Errorf("after the stop: %+v", r)
	}
	s.halo.ClearFaults()
	second := s.startWorker(s.keyset)
	defer second.stop(t)
	s.eventually("the run has ended", func() bool { r := s.run(id); return r.State != "running" && r.State != "queued" })
	if r := s.run(id); r.State != "succeeded" || r.Records != 500 {
		t.Errorf("after the hand-over: %+v", r)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s, w, _ := hung(t)
	defer s.halo.ClearFaults()
	for range 2 {
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		// The first one must have been taken note of, or the kernel may join them.
		s.eventually("the worker says that it stops", func() bool { return w.stopping() })
	}
	select {
	case <-w.done:
		if w.cmd.ProcessState.ExitCode() == 0 {
			t.Error("exit code 0 for work that was dropped")
		}
	case <-time.After(5 * time.Second):
		t.Error("still running 5 s after the second signal")
	}
}
