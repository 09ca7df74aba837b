package installation

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/devstack"
)

// Worker is a worker process.
type Worker struct {
	Process *os.Process
	Log     *devstack.Output
	Done    chan struct{} // closed when the process has ended
	HTTP    string        // host:port of its pages
	Metrics string        // host:port of its metrics and of the reasons of /readyz

	cmd      *exec.Cmd
	evidence *evidence
}

// StartWorker starts a worker with the installation's key set and waits until
// the worker is ready. The worker is stopped at the end of the test.
func (in *Installation) StartWorker() *Worker {
	in.T.Helper()
	return in.StartWorkerWith(in.Secrets.Keyset)
}

// StartWorkerWith does the same as [Installation.StartWorker], but with a different key
// set.
func (in *Installation) StartWorkerWith(keyset string) *Worker {
	in.T.Helper()
	w := &Worker{Log: &devstack.Output{}, Done: make(chan struct{}), evidence: in.evidence}
	in.evidence.addKeyset(keyset)
	*in.workers = append(*in.workers, w)
	program := in.WorkerFile
	if program == "" {
		program = Program(in.T, "worker")
	}
	w.cmd = exec.Command(program, in.WorkerArgs...)
	w.cmd.Env = append(append(os.Environ(), in.Environ()...), "HALOSYNC_KEYSET="+keyset)
	w.cmd.Stdout, w.cmd.Stderr = w.Log, w.Log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.cmd.Start(); err != nil {
		in.T.Fatal(err)
	}
	w.Process = w.cmd.Process
	go func() {
		_ = w.cmd.Wait() // the test checks the exit code
		close(w.Done)
	}()
	in.T.Cleanup(func() { // if the test passed, the worker has ended already
		select {
		case <-w.Done:
		default:
			w.KeepPages()
			w.Kill()
		}
	})
	in.Eventually("worker is ready", func() bool {
		select {
		case <-w.Done:
			in.T.Fatalf("worker ended:\n%s", w.Log)
		default:
		}
		if w.HTTP == "" {
			w.HTTP, w.Metrics = w.addresses()
		}
		if w.HTTP == "" {
			return false
		}
		resp, err := http.Get("http://" + w.HTTP + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	in.evidence.addCommandLine(w.Process.Pid)
	return w
}

// addresses returns the listeners' addresses from the log.
func (w *Worker) addresses() (pages, metrics string) {
	for line := range strings.Lines(w.Log.String()) {
		var entry struct{ Msg, HTTP, Metrics string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "worker started" {
			return entry.HTTP, entry.Metrics
		}
	}
	return "", ""
}

// url returns the URL of a page. Metrics and readiness are on their own listener.
func (w *Worker) url(path string) string {
	if path == "/metrics" || path == "/readyz" {
		return "http://" + w.Metrics + path
	}
	return "http://" + w.HTTP + path
}

// Page returns one of the worker's pages, requested without a key.
func (w *Worker) Page(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get(w.url(path))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Request sends a request to the worker and does not follow redirects. The argument header
// consists of alternating names and values. Request keeps the answer for the search,
// without its cookies.
func (w *Worker) Request(t *testing.T, method, path, form string, header ...string) (status int, body string, cookies []*http.Cookie) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.HTTP+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	cookies = resp.Cookies()
	resp.Header.Del("Set-Cookie")
	w.evidence.add("pages", fmt.Sprintln(path, resp.Status, resp.Header, string(text)))
	return resp.StatusCode, string(text), cookies
}

// KeepPages keeps the worker's pages for the search, if the worker still
// answers.
func (w *Worker) KeepPages() {
	client := http.Client{Timeout: time.Second}
	for _, path := range []string{"/metrics", "/livez", "/readyz", "/", "/nothing"} {
		resp, err := client.Get(w.url(path))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		w.evidence.add("pages", fmt.Sprintln(path, resp.Status, resp.Header, string(body)))
	}
}

// Signal sends a signal to the worker, which may already have ended.
func (w *Worker) Signal(sig os.Signal) { _ = w.Process.Signal(sig) }

// Stopping reports whether the worker has handled a signal to stop.
func (w *Worker) Stopping() bool { return strings.Contains(w.Log.String(), `"msg":"stopping`) }

// Stop ends the worker with SIGTERM. The test fails unless the worker ends in
// time and with exit code 0.
func (w *Worker) Stop(t *testing.T) {
	t.Helper()
	select {
	case <-w.Done:
		return
	default:
	}
	w.KeepPages()
	w.Signal(syscall.SIGTERM)
	w.Stopped(t)
}

// Stopped waits for a worker to end after a signal. The test fails unless the
// exit code is 0. The documented maximum is 20 s; a busy machine gets a minute.
func (w *Worker) Stopped(t *testing.T) {
	t.Helper()
	select {
	case <-w.Done:
		if code := w.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("worker: exit code %d\n%s", code, w.Log)
		}
	case <-time.After(time.Minute):
		t.Errorf("worker did not end within a minute\n%s", w.Log)
	}
}

// ExitCode returns the exit code of a worker that has ended.
func (w *Worker) ExitCode() int { return w.cmd.ProcessState.ExitCode() }

// Kill kills the worker, as in a crash.
func (w *Worker) Kill() {
	_ = w.Process.Kill() // an error means that the worker has just ended
	<-w.Done
}

// PeakMemory returns the worker's peak resident set size in bytes. With the
// race detector, it is larger than in production. Without /proc, the test is
// skipped.
func (w *Worker) PeakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Process.Pid))
	if err != nil {
		t.Skip("skipped: no /proc to read the worker's memory from")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kb int
			if _, err := fmt.Sscan(rest, &kb); err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM in /proc")
	return 0
}

// Program returns the path to the program worker or enqueue, built with the race detector.
func Program(t testing.TB, name string) string {
	t.Helper()
	dir, err := devstack.Programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}
