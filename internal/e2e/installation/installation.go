package halosync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/repo/repotest"
)

func testContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 8*time.Minute)
}

// site is one installation: a database, a Redis database, a Halo.
type site struct {
	t        *testing.T
	db       string // URLs; the database's is its owner's
	redis    string
	halo     *halotest.Halo
	tenant   *halotest.Tenant
	app      *halotest.App
	keyset   string
	extraEnv []string

	workerArgs []string

	firstRedis string // the one that it began with
	left       *leftovers
	workers    []*workerProcess
	last       []func() error // to close after the search
}

func newSite(t *testing.T, opts ...halotest.Option) *site {
	t.Helper()
	s := &site{
		t: t, db: withPassword(t, repotest.URL(t), "", canaryPassword), halo: halotest.Start(t, opts...), left: &leftovers{},
		redis: withPassword(t, kit.redis.DatabaseURL(int(kit.dbs.Add(1))), "default", canaryRedisPassword),
	}
	s.firstRedis = s.redis
	s.tenant = s.halo.Tenant("")
	s.app = s.tenant.App(canaryID, canarySecret)
	out, err := exec.Command(filepath.Join(kit.bin, "enqueue"), "keyset", "new").Output()
	if err != nil {
		t.Fatal(err)
	}
	s.keyset = strings.TrimSpace(string(out))
	s.left.addKeyset(s.keyset)
	t.Cleanup(func() {
		begun := time.Now()
		looked := s.search()
		t.Logf("searched for secrets in %v, bytes: %v", time.Since(begun).Round(time.Millisecond), looked)
		for _, f := range s.last {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

// closeLast closes something at the test's end, but not before it was searched.
func (s *site) closeLast(f func() error) { s.last = append(s.last, f) }

// withPassword puts a password into a URL whose server asks for none.
func withPassword(t *testing.T, address, user, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if user == "" {
		user = u.User.Username()
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// env is the installation's environment, for worker and CLI.
func (s *site) env() []string {
	return append([]string{
		"DATABASE_URL=" + repotest.Worker(s.t, s.db), "REDIS_URL=" + s.redis, "HALOSYNC_KEYSET=" + s.keyset,
		"HALOSYNC_TENANT=msp-1", "HALOSYNC_ALLOW_HOSTS=127.0.0.1", "HALOSYNC_RATE_LIMIT=100000/1s",
		"HALOSYNC_HTTP_ADDR=127.0.0.1:0", "USER=anna",
		"GORACE=atexit_sleep_ms=0", // a second at each command's end
	}, s.extraEnv...)
}

// enqueue runs the CLI and returns what it printed.
func (s *site) enqueue(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	ctx, cancel := testContext()
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(kit.bin, "enqueue"), args...)
	cmd.Env = append(os.Environ(), s.env()...)
	cmd.Stdin = strings.NewReader(canarySecret)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid)); err == nil { // else it is no Linux
		s.left.add("command lines", string(line))
	}
	_ = cmd.Wait()                                                    // the exit code says it
	if len(args) == 0 || args[0] != "keyset" && args[0] != "apikey" { // whose output is a key set, or a key
		s.left.add("outputs and errors", out.String())
	}
	s.left.add("outputs and errors", errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs the CLI and wants exit code 0.
func (s *site) must(args ...string) string {
	s.t.Helper()
	out, errs, code := s.enqueue(args...)
	if code != 0 {
		s.t.Fatalf("enqueue %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// connect adds the connection "halo".
func (s *site) connect() {
	s.t.Helper()
	s.must(s.adding("halo")...)
}

// adding is the command that adds a connection; its secret waits on standard
// input.
func (s *site) adding(name string) []string {
	return []string{"connection", "add", name, "--domain", s.halo.ResourceServer(), "--auth-server", s.halo.AuthServer(),
		"--client-id", canaryID, "--client-secret-file", "-"}
}

// run is the part of a run's JSON that tests look at.
type run struct {
	ID, State, Error                                                                   string
	Pages, Records, Created, Linked, Unchanged, Refreshed, Skipped, Ambiguous, Attempt int
	RecordsTotal                                                                       int `json:"records_total"`
	Complete                                                                           bool
}

func (s *site) run(id string) run {
	s.t.Helper()
	return decode[run](s.t, s.must("runs", "show", id, "-o", "json"))
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// workerProcess is a running worker.
type workerProcess struct {
	cmd  *exec.Cmd
	log  *devstack.Output
	done chan struct{}
	http string // address of its pages
	left *leftovers
}

// startWorker starts a worker and waits until it is ready.
func (s *site) startWorker(keyset string) *workerProcess {
	s.t.Helper()
	w := &workerProcess{log: &devstack.Output{}, done: make(chan struct{}), left: s.left}
	s.left.addKeyset(keyset)
	s.workers = append(s.workers, w)
	w.cmd = exec.Command(filepath.Join(kit.bin, "worker"), s.workerArgs...)
	w.cmd.Env = append(append(os.Environ(), s.env()...), "HALOSYNC_KEYSET="+keyset)
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = w.cmd.Wait() // how it ended is for the test to say
		close(w.done)
	}()
	s.t.Cleanup(func() { // it has ended unless the test failed
		select {
		case <-w.done:
		default:
			w.visit(s.left)
			_ = w.cmd.Process.Kill() // it may end at this moment
			<-w.done
		}
	})
	s.eventually("worker is ready", func() bool {
		select {
		case <-w.done:
			s.t.Fatalf("worker ended:\n%s", w.log)
		default:
		}
		if w.http = w.address(); w.http == "" {
			return false
		}
		resp, err := http.Get("http://" + w.http + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	s.left.add("command lines", processes(s.t))
	return w
}

// address finds the listener's address in the log.
func (w *workerProcess) address() string {
	for line := range strings.Lines(w.log.String()) {
		var entry struct{ Msg, HTTP string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "worker started" {
			return entry.HTTP
		}
	}
	return ""
}

// page fetches one of the worker's pages.
func (w *workerProcess) page(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + w.http + path)
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

// stopping says whether the worker has noticed a signal.
func (w *workerProcess) stopping() bool { return strings.Contains(w.log.String(), `"msg":"stopping`) }

// stop ends the worker in the orderly way and wants exit code 0 in time.
func (w *workerProcess) stop(t *testing.T) {
	t.Helper()
	select {
	case <-w.done:
		return
	default:
	}
	w.visit(w.left)
	_ = w.cmd.Process.Signal(syscall.SIGTERM) // it may end at this moment
	select {
	case <-w.done:
		if code := w.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("worker: exit code %d\n%s", code, w.log)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("worker did not end within 20 s\n%s", w.log)
	}
}

// kill ends the worker as a crash would.
func (w *workerProcess) kill() {
	_ = w.cmd.Process.Kill() // it may end at this moment
	<-w.done
}

// eventually waits for a condition, for as long as the slowest of them takes.
func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.After(3 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			s.t.Fatalf("not within 3 minutes: %s", what)
		case <-tick.C:
		}
	}
}
