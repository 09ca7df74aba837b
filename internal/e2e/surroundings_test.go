package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// halosyncWorker runs a command of the worker's program with additional variables.
func halosyncWorker(in *installation.Installation, vars []string, args ...string) (text string, code int) {
	in.T.Helper()
	cmd := exec.Command(installation.Program(in.T, "worker"), args...)
	cmd.Env = append(append(os.Environ(), in.Environ()...), vars...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the exit code is returned
	in.Keep("outputs and errors", out.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

// No program uses a database whose encoding is not UTF8. Each says what to do.
func TestDatabaseThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		vars := []string{"DATABASE_URL=" + repotest.EncodedURL(t, encoding)}
		for _, args := range [][]string{{"migrate"}, {}, {"doctor"}} {
			text, code := halosyncWorker(in, vars, args...)
			if code != 1 || !strings.Contains(text, "has encoding "+encoding+", but halosync needs UTF8") || !strings.Contains(text, "template template0") {
				t.Errorf("worker %v on %s: exit code %d\n%s", args, encoding, code, text)
			}
		}
		in.Env = vars
		if _, errs, code := in.Enqueue("connection", "list"); code != 1 || !strings.Contains(errs, "needs UTF8") {
			t.Errorf("enqueue on %s: exit code %d\n%s", encoding, code, errs)
		}
		in.Env = nil
	}
}

// While Postgres accepts no writes, a worker is not ready. It becomes ready again by
// itself.
func TestNotReadyWhilePostgresTakesNoWrites(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	w := in.StartWorker()
	set := func(value string) {
		t.Helper()
		repotest.Exec(t, in.DB, `do $$ begin execute format('alter database %I set default_transaction_read_only = `+value+`', current_database()); end $$`)
		// A failover also ends the sessions.
		repotest.Exec(t, in.DB, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	}
	set("on")
	in.Eventually("not ready", func() bool { return strings.Contains(w.Page(t, "/readyz"), "it takes no writes") })
	repotest.Exec(t, in.DB, `set default_transaction_read_only = off`)
	set("off")
	in.Eventually("ready again", func() bool { return strings.Contains(w.Page(t, "/readyz"), "postgres: ok") })
	w.Stop(t)
}

// The programs call Halo through HALOSYNC_PROXY, and say that they ignore other proxies.
func TestProxyForHalo(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(120, 7)
	const password = "proxy-hunter2"
	var mu sync.Mutex
	asked := map[string]int{} // by the credentials
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, given, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		mu.Lock()
		asked[given]++
		mu.Unlock()
		r.RequestURI = ""
		r.Header.Del("Proxy-Authorization")
		transport := &http.Transport{DisableKeepAlives: true}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(proxy.Close)
	through := strings.Replace(proxy.URL, "://", "://someone:"+password+"@", 1)

	in.Env = []string{"HTTPS_PROXY=" + through}
	if _, errs, code := in.Enqueue(in.AddCommand("halo")...); code != 0 || !strings.Contains(errs, "HTTPS_PROXY: ignored for calls to Halo") || strings.Contains(errs, password) {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	w := in.StartWorker()
	w.Stop(t)
	if log := w.Log.String(); strings.Count(log, "proxy of the environment ignored") != 1 || !strings.Contains(log, `"variables":["HTTPS_PROXY"]`) || strings.Contains(log, password) {
		t.Errorf("log:\n%s", log)
	}
	if text, _ := halosyncWorker(in, nil, "doctor"); !strings.Contains(text, "HTTPS_PROXY set a proxy, but calls to Halo ignore it") {
		t.Errorf("doctor:\n%s", text)
	}
	if len(asked) > 0 {
		t.Errorf("requests went to the proxy in the environment: %v", asked)
	}

	in.Env = []string{"HALOSYNC_PROXY=" + through, "HALOSYNC_LOG_LEVEL=debug"}
	before := in.Halo.Log().Requests
	w = in.StartWorker()
	if r := in.ImportAll(); r.State != "succeeded" || r.Records != 120 {
		t.Errorf("import: %+v", r)
	}
	w.Stop(t)
	if log := w.Log.String(); !strings.Contains(log, `"proxy":"`+proxy.URL+`"`) || strings.Contains(log, password) {
		t.Errorf("log:\n%s", log)
	}
	if n := in.Halo.Log().Requests - before; n == 0 || asked[password] != n || len(asked) != 1 {
		t.Errorf("Halo got %d requests, the proxy %v", n, asked)
	}
}
