package queuemon_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/devstack/redistest"
	"github.com/halosync/halosync/internal/queuemon"
	"github.com/halosync/halosync/internal/redisurl"
	"github.com/halosync/halosync/tasks"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// monitor returns a monitor for the Redis at the URL. This Redis need not be running.
func monitor(t *testing.T, redisURL string, writable bool, log *zap.Logger) http.Handler {
	t.Helper()
	address, err := redisurl.Parse(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	m, err := queuemon.New(queuemon.Config{Redis: address, Writable: writable, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// ask sends a request with a scope, or without a principal if scope is empty.
func ask(t *testing.T, h http.Handler, scope access.Scope, method, path string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	r := httptest.NewRequest(method, queuemon.Root+path, nil)
	if scope != "" {
		r = r.WithContext(access.With(r.Context(), access.Principal{Tenant: "acme", Actor: "key:ann", Scope: scope}))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, w.Body.String()
}

// enqueue puts a task into a queue without a worker.
func enqueue(t *testing.T, redisURL, id, payload string) {
	t.Helper()
	address, err := redisurl.Parse(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	queue := asynq.NewClient(address)
	defer func() { _ = queue.Close() }()
	if _, err := queue.Enqueue(asynq.NewTask(tasks.KindImport, []byte(payload)), asynq.Queue("import"), asynq.TaskID(id)); err != nil {
		t.Fatal(err)
	}
}

// Only the scope ops gives access to the pages, because they show the tasks of all
// tenants.
func TestQueuesAreForOpsAlone(t *testing.T) {
	t.Parallel()
	url := redistest.URL(t)
	enqueue(t, url, "a1", `{"tenant":"globex"}`)
	h := monitor(t, url, true, nil)
	for _, path := range []string{"/", "/queues/import", "/static/js/main.5adda2da.chunk.js", "/favicon.ico", "/api/queues", "/api/queues/import/pending_tasks", "/api/queues/import/tasks/a1", "/api/redis_info"} {
		for scope, want := range map[access.Scope]int{"": 401, access.Read: 403, access.Write: 403, access.Admin: 403, "root": 403, access.Ops: 200} {
			for _, method := range []string{http.MethodGet, http.MethodDelete} {
				if method == http.MethodDelete && want == http.StatusOK {
					continue
				}
				resp, body := ask(t, h, scope, method, path)
				if resp.Code != want || want != 200 && strings.Contains(body, "globex") {
					t.Errorf("%s %s as %q: %d %.200s", method, path, scope, resp.Code, body)
				}
			}
		}
	}
}

// The pages are read-only unless configured otherwise. Changes are logged with their
// actor.
func TestChangesAreSwitchedOn(t *testing.T) {
	t.Parallel()
	url := redistest.URL(t)
	enqueue(t, url, "a1", `{}`)
	shows := monitor(t, url, false, nil)
	seen, logs := observer.New(zap.InfoLevel)
	changes := monitor(t, url, true, zap.New(seen))
	const one = "/api/queues/import/pending_tasks/a1"
	for _, c := range [][2]string{{"DELETE", one}, {"POST", "/api/queues/import:pause"}, {"DELETE", "/api/queues/import"}, {"POST", "/api/nothing"}, {"POST", "/"}, {"PUT", "/static/x"}} {
		if resp, _ := ask(t, shows, access.Ops, c[0], c[1]); resp.Code != http.StatusMethodNotAllowed {
			t.Errorf("%v: %d", c, resp.Code)
		}
	}
	if resp, body := ask(t, shows, access.Ops, "GET", "/api/queues/import/tasks/a1"); resp.Code != 200 {
		t.Fatalf("task after refused changes: status %d: %s", resp.Code, body)
	}
	if resp, body := ask(t, changes, access.Ops, "DELETE", one); resp.Code != http.StatusNoContent && resp.Code != 200 {
		t.Errorf("delete on writable pages: status %d: %s", resp.Code, body)
	}
	if resp, _ := ask(t, shows, access.Ops, "GET", "/api/queues/import/tasks/a1"); resp.Code != http.StatusNotFound {
		t.Errorf("deleted task: status %d", resp.Code)
	}
	if all := logs.All(); len(all) != 1 || all[0].ContextMap()["actor"] != "key:ann" || all[0].ContextMap()["path"] != one {
		t.Errorf("log: %v", all)
	}
	if resp, _ := ask(t, changes, access.Ops, "POST", "/"); resp.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST to a page: status %d", resp.Code)
	}
}

var (
	noncePolicy = regexp.MustCompile(`^default-src 'none'; script-src 'nonce-(\w{26})'; style-src 'nonce-(\w{26})'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'$`)
	scripts     = regexp.MustCompile(`<script( nonce="(\w+)")?`)
)

// The page runs only asynqmon's scripts. Other responses run no scripts.
func TestPolicyOfThePage(t *testing.T) {
	t.Parallel()
	h := monitor(t, "redis://127.0.0.1:1/0", false, nil)
	nonces := map[string]bool{}
	for _, path := range []string{"/", "/queues/import/tasks/a.b", "/nothing"} {
		resp, body := ask(t, h, access.Ops, "GET", path)
		got := noncePolicy.FindStringSubmatch(resp.Header().Get("Content-Security-Policy"))
		if got == nil || nonces[got[1]] || got[1] != got[2] {
			t.Fatalf("%s: policy %q", path, resp.Header().Get("Content-Security-Policy"))
		}
		nonces[got[1]] = true
		all := scripts.FindAllStringSubmatch(body, -1)
		for _, script := range all {
			if script[2] != got[1] {
				t.Errorf("%s: %s", path, script[0])
			}
		}
		if len(all) < 3 || strings.Contains(body, "googleapis") || !strings.Contains(body, `<meta property="csp-nonce" content="`+got[1]+`">`) || !strings.Contains(body, `FLAG_READ_ONLY="true"`) {
			t.Errorf("%s: %s", path, body)
		}
		if resp.Header().Get("X-Frame-Options") != "DENY" || resp.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %v", path, resp.Header())
		}
	}
	for path, kind := range map[string]string{"/favicon.ico": "image/x-icon", "/static/media/logo-color.c2b0c1f3.svg": "image/svg+xml", "/static/js/main.5adda2da.chunk.js": "application/javascript; charset=utf-8"} {
		resp, _ := ask(t, h, access.Ops, "GET", path)
		if resp.Code != 200 || resp.Header().Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" || resp.Header().Get("Content-Type") != kind || len(resp.Header()["Content-Type"]) != 1 {
			t.Errorf("%s: %d %v", path, resp.Code, resp.Header())
		}
	}
}

// Every answer names its content type, and browsers must not guess another one. A payload
// may contain HTML.
func TestContentTypes(t *testing.T) {
	t.Parallel()
	url := redistest.URL(t)
	enqueue(t, url, "a1", `{"search":"<!doctype html><script>alert(1)</script>"}`)
	h := monitor(t, url, true, nil)
	const data, text = "application/json", "text/plain; charset=utf-8"
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/api/queues", 200, data},
		{"GET", "/api/queues/import", 200, data},
		{"GET", "/api/queue_stats", 200, data},
		{"GET", "/api/servers", 200, data},
		{"GET", "/api/scheduler_entries", 200, data},
		{"GET", "/api/redis_info", 200, data},
		{"GET", "/api/queues/import/pending_tasks", 200, data},
		{"GET", "/api/queues/import/archived_tasks", 200, data},
		{"GET", "/api/queues/import/tasks/a1", 200, data},
		{"GET", "/api/queues/import/groups", 200, data},
		{"GET", "/api/queues/import/tasks/<script>", 404, text},
		{"GET", "/api/queues/none", 500, text},
		{"GET", "/api/nothing", 404, text},
		{"GET", "/api/queues/import/tasks/a1/x", 404, text},
		{"GET", "/api/", 404, text},
		{"POST", "/api/queues/import:pause", 204, ""},
		{"GET", "/robots.txt", 200, text},
		{"GET", "/asset-manifest.json", 200, data},
		{"GET", "/static/js/main.5adda2da.chunk.js.map", 200, data},
		{"GET", "/none.json", 404, text},
		{"GET", "/static/js/none.js", 404, text},
		{"GET", "/", 200, "text/html; charset=utf-8"},
	} {
		resp, body := ask(t, h, access.Ops, c.method, c.path)
		header := resp.Header()
		if resp.Code != c.status || header.Get("Content-Type") != c.want || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %d %v, want %d %q", c.method, c.path, resp.Code, header, c.status, c.want)
		}
		if c.want == data && !json.Valid([]byte(body)) || c.want != "text/html; charset=utf-8" && strings.Contains(body, "<html") {
			t.Errorf("%s %s: %s", c.method, c.path, body)
		}
	}
}

// Without Redis, each API request fails with an error status.
func TestRedisIsAway(t *testing.T) {
	t.Parallel()
	h := monitor(t, "redis://127.0.0.1:1/0?max_retries=-1", true, nil)
	var asked sync.WaitGroup // each request waits for several attempts to connect
	for method, paths := range map[string][]string{
		http.MethodGet: {
			"queues", "queues/import", "queue_stats", "servers", "scheduler_entries", "redis_info", "metrics", "queues/import/groups", "queues/import/tasks/a1",
			"queues/import/active_tasks", "queues/import/pending_tasks", "queues/import/scheduled_tasks", "queues/import/retry_tasks", "queues/import/archived_tasks", "queues/import/completed_tasks",
		},
		http.MethodPost: {"queues/import:pause", "queues/import/active_tasks/a1:cancel", "queues/import/retry_tasks:run_all"},
	} {
		for _, path := range paths {
			asked.Go(func() {
				if resp, body := ask(t, h, access.Ops, method, "/api/"+path); resp.Code < 400 {
					t.Errorf("%s %s: %d %s", method, path, resp.Code, body)
				}
			})
		}
	}
	asked.Wait()
}

// Payloads are shown as JSON. They are bounded and contain no characters that hide or
// reorder text.
func TestPayloadsAreReadable(t *testing.T) {
	t.Parallel()
	url := redistest.URL(t)
	long := `{"tenant":"acme","connection_id":"c","client_ids":[` + strings.TrimSuffix(strings.Repeat("12345678901234567,", 10_000), ",") + `]}`
	for id, c := range map[string]struct{ payload, shown string }{
		"short":  {`{"tenant":"acme","all":true}`, `{"tenant":"acme","all":true}`},
		"long":   {long, `{"client_ids":[` + strings.Repeat("12345678901234567,", 10) + `"… and 9990 more"],"connection_id":"c","tenant":"acme"}`},
		"hidden": {"{\"search\":\"a\u202eb\"}", "{\"search\":\"a\uFFFDb\"}"},
		"spelt":  {`{"search":"a\u202eb"}`, "{\"search\":\"a\uFFFDb\"}"},
		"text":   {`{"search":"` + strings.Repeat("x", 5_000) + `"}`, `{"search":"` + strings.Repeat("x", 200) + `… (4800 bytes more)"}`},
		"no":     {strings.Repeat("\xff", 3_000), "… (1000 bytes more)"},
		"wide":   {`[[` + strings.Repeat(`{"a":"`+strings.Repeat("y", 300)+`"},`, 9) + `1],[` + strings.Repeat(`{"a":"`+strings.Repeat("y", 300)+`"},`, 9) + `1]]`, ""},
	} {
		enqueue(t, url, id, c.payload)
		resp, body := ask(t, monitor(t, url, false, nil), access.Ops, "GET", "/api/queues/import/tasks/"+id)
		var task struct{ Payload string }
		if err := json.Unmarshal([]byte(body), &task); err != nil || resp.Code != 200 {
			t.Fatalf("%s: %d %.200s", id, resp.Code, body)
		}
		if c.shown != "" && task.Payload != c.shown || len(task.Payload) > 2_100 {
			t.Errorf("%s is shown as %.3000s", id, task.Payload)
		}
	}
}
