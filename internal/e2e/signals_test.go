package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
)

// hang starts a worker whose import is waiting for a Halo that does not answer.
func hang(t *testing.T) (*installation.Installation, *installation.Worker, string) {
	t.Helper()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(500, 7)
	w := in.StartWorker()
	in.Connect()
	in.Halo.Fault(halotest.Rule{Page: 3, Times: halotest.Forever}, halotest.Hang(0))
	id := in.Request("import", "--all")
	in.Eventually("two pages are written and the third hangs", func() bool { return in.Pages(id) == 2 })
	return in, w, id
}

// If a page does not arrive, a stopping worker waits at most 20 s and then
// hands the run back.
func TestStopWhileHaloHangs(t *testing.T) {
	t.Parallel()
	in, w, id := hang(t)
	w.Stop(t)
	if r := in.Run(id); r.State != "queued" || r.Pages != 2 {
		t.Errorf("after the stop: %+v", r)
	}
	in.Halo.ClearFaults()
	second := in.StartWorker()
	defer second.Stop(t)
	if r := in.AwaitRun(id); r.State != "succeeded" || r.Records != 500 {
		t.Errorf("after the hand-over: %+v", r)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	in, w, _ := hang(t)
	defer in.Halo.ClearFaults()
	w.Signal(syscall.SIGTERM)
	// Wait until the worker has handled the first signal. Otherwise the kernel
	// may merge the two signals.
	in.Eventually("the worker logs that it is stopping", w.Stopping)
	w.Signal(syscall.SIGTERM)
	began := time.Now()
	<-w.Done // without the second signal, the worker would wait about 15 s for the page
	t.Logf("ended %v after the second signal", time.Since(began).Round(time.Millisecond))
	if w.ExitCode() == 0 {
		t.Error("exit code 0 although the worker dropped a run")
	}
	if r := in.Unfinished(); r != 1 {
		t.Errorf("%d runs are unfinished, want the one that was dropped", r)
	}
}
