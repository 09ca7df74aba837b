package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
)

// If a platform sets PORT, the worker listens on every interface and logs this.
func TestPortIsAnnounced(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	in.Env = []string{"HALOSYNC_HTTP_ADDR=", "PORT=0"}
	w := in.StartWorker()
	if log := w.Log.String(); strings.Count(log, "listening on every interface, because PORT is set") != 1 {
		t.Errorf("log: %s", log)
	}
	w.Stop(t)
	in.Env = nil
	w = in.StartWorker()
	if log := w.Log.String(); strings.Contains(log, "every interface") {
		t.Errorf("log without PORT: %s", log)
	}
	w.Stop(t)
}

// A worker with only the HTTP server refuses every request until an API key
// exists. It accepts the key until the key is revoked. It executes no tasks,
// and its output and stored data contain no key.
func TestServeOnlyHTTP(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(150, 7)
	in.WorkerArgs = []string{"-only", "http"}
	w := in.StartWorker()
	in.Connect()
	if status, body, _ := w.Request(t, "GET", "/api/v1/nothing", ""); status != 503 || !strings.Contains(body, "enqueue apikey new NAME --scope admin") {
		t.Errorf("without a key: %d %q", status, body)
	}
	key := strings.TrimSpace(in.Must("apikey", "new", "console", "--scope", "admin", "--expires", "90d"))
	in.KeepAccess(key)
	bearer := []string{"Authorization", "Bearer " + key}
	in.Eventually("the key is accepted", func() bool {
		status, _, _ := w.Request(t, "GET", "/api/v1/nothing", "", bearer...)
		return status == 404
	})
	if status, _, _ := w.Request(t, "GET", "/api/v1/nothing", ""); status != 401 {
		t.Errorf("without the key: %d", status)
	}
	status, _, cookies := w.Request(t, "POST", "/signin", url.Values{"key": {key}, "next": {"/runs"}}.Encode())
	if status != 303 || len(cookies) != 1 {
		t.Fatalf("sign-in: %d, %d cookies", status, len(cookies))
	}
	in.KeepAccess(cookies[0].Value)
	session := []string{"Cookie", cookies[0].Name + "=" + cookies[0].Value}
	if status, _, _ := w.Request(t, "GET", "/api/v1/nothing", "", session...); status != 404 {
		t.Errorf("with the session: %d", status)
	}

	if status, body, _ := w.Request(t, "GET", "/asynqmon/api/queues", "", bearer...); status != 403 || !strings.Contains(body, "the scope ops") {
		t.Errorf("the queues with a tenant's key: %d %s", status, body)
	}
	ops := strings.TrimSpace(in.Must("apikey", "new", "night", "--scope", "ops"))
	in.KeepAccess(ops)
	if status, body, _ := w.Request(t, "GET", "/asynqmon/api/queues", "", "Authorization", "Bearer "+ops); status != 200 || !strings.Contains(body, `"queues":`) {
		t.Errorf("the queues with an ops key: %d %s", status, body)
	}
	for header, want := range map[string]int{"": 401, key: 403, ops: 200} {
		if status, _, _ := w.Request(t, "GET", "/metrics", "", "Authorization", "Bearer "+header); status != want {
			t.Errorf("metrics on the listener of the pages: %d, want %d", status, want)
		}
	}
	reader := strings.TrimSpace(in.Must("apikey", "new", "reader", "--scope", "read"))
	in.KeepAccess(reader)
	_, _, cookies = w.Request(t, "POST", "/signin", url.Values{"key": {reader}}.Encode())
	if len(cookies) != 1 {
		t.Fatal("no session of a key that may only read")
	}
	in.KeepAccess(cookies[0].Value)
	for path, credential := range map[string][]string{
		"/api/v1/companies": {"Authorization", "Bearer " + reader, "Content-Type", "application/json"},
		"/companies":        {"Cookie", cookies[0].Name + "=" + cookies[0].Value},
	} {
		if status, body, _ := w.Request(t, "POST", path, "{}", credential...); status != 403 || !strings.Contains(body, "write") {
			t.Errorf("POST %s with the scope read: %d %s", path, status, body)
		}
	}
	if _, body, _ := w.Request(t, "GET", "/readyz", ""); body != "ready\n" {
		t.Errorf("reasons without a key: %s", body)
	}
	if body := w.Page(t, "/readyz"); !strings.Contains(body, "postgres: ok") {
		t.Errorf("reasons on the listener of the metrics: %s", body)
	}

	id := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "-o", "json")).ID
	// Each asynq server registers under a key with this prefix. Search only
	// this database, because the slow log and other parts of Redis cover all
	// databases.
	servers := func() []string {
		return in.ConnectRedis(in.Redis).Keys(t.Context(), "asynq:servers:{*").Val()
	}
	if keys := servers(); len(keys) > 0 {
		t.Errorf("a worker without tasks registered as an asynq server: %v", keys)
	}
	in.WorkerArgs = nil
	second := in.StartWorker()
	if r := in.AwaitRun(id); r.State != "succeeded" {
		t.Errorf("import: %+v", r)
	}
	if len(servers()) == 0 {
		t.Error("a worker that executes tasks does not register in Redis")
	}
	second.Stop(t)

	if _, errs, code := in.Enqueue("apikey", "revoke", "console"); code != 0 || !strings.Contains(errs, "sessions ended: 1") {
		t.Errorf("revoke: %d %s", code, errs)
	}
	for what, header := range map[string][]string{"key": bearer, "session": session} {
		if status, _, _ := w.Request(t, "GET", "/api/v1/nothing", "", header...); status != 401 && status != 503 {
			t.Errorf("a revoked %s: %d", what, status)
		}
	}

	w.Stop(t) // writes the refusals
	events := in.Must("security", "-o", "csv")
	for _, want := range []string{"scope.exceeded,refused,2,key:console,127.0.0.1,", "scope.exceeded,refused,2,key:reader,127.0.0.1,"} {
		if !strings.Contains(events, want) {
			t.Errorf("no %s in\n%s", want, events)
		}
	}
	w.Stop(t)
}
