package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// kit contains the Redis server that all tests in this package share.
var kit struct {
	redis *devstack.Redis
	next  atomic.Int64
}

func TestMain(m *testing.M) {
	var err error
	if kit.redis, err = devstack.StartRedis(context.Background(), devstack.RedisOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := repotest.Run(m)
	if err := kit.redis.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const (
	testApp    = "app-1"
	testSecret = "canary-s3cret-4711"
)

// world is an installation's API with a tenant "acme" that has a connection.
type world struct {
	*Handler
	t      *testing.T
	url    string // URL of the database
	log    *observer.ObservedLogs
	sim    *halotest.Halo
	worker *enginetest.Worker
	conn   repo.Connection
	gate   atomic.Pointer[func(context.Context) error] // called before each request to Halo
	actor  access.Principal
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, url: repotest.URL(t), sim: halotest.Start(t)}
	store := repotest.Open(t, w.url)
	w.sim.Tenant("").App(testApp, testSecret)
	w.sim.Tenant("").Seed(120, 7)
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := tasks.Open(kit.redis.DatabaseURL(int(1 + kit.next.Add(1)%500)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Close() })
	core, logs := observer.New(zap.InfoLevel)
	w.log = logs
	cfg := Config{
		Store: store, Log: zap.New(core), PollEvery: 5 * time.Millisecond,
	}
	w.worker = enginetest.New(enginetest.Config{Store: store, Queue: queue, Allow: allow, RetryBudget: time.Millisecond, Budget: w.budget})
	cfg.Engine = w.worker.Engine
	for _, f := range change {
		f(&cfg)
	}
	w.Handler = New(cfg)
	w.actor = access.Principal{Tenant: "acme", Actor: "key:test", Scope: access.Admin}
	w.conn, err = cfg.Engine.AddConnection(t.Context(), "acme", "test", engine.ConnectionInput{
		Name: "halo", Domain: w.sim.ResourceServer(), AuthServer: w.sim.AuthServer(), ClientID: testApp, Secret: secret.NewString(testSecret),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) budget(ctx context.Context, _, _ string, _ ratelimit.Class) error {
	if gate := w.gate.Load(); gate != nil {
		return (*gate)(ctx)
	}
	return nil
}

// reply is a response from the API.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// field returns the value with the given name from the body.
func (r reply) field(name string) any {
	r.t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(r.body), &doc); err != nil {
		r.t.Fatalf("%v in %s", err, r.body)
	}
	return doc[name]
}

func (r reply) text(name string) string { return fmt.Sprint(r.field(name)) }

func (r reply) items() []any {
	r.t.Helper()
	items, ok := r.field("items").([]any)
	if !ok {
		r.t.Fatalf("no items in %s", r.body)
	}
	return items
}

// want fails the test unless the reply has the status.
func (r reply) want(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if r.status >= 400 && r.header.Get("Content-Type") != problemType {
		r.t.Fatalf("status %d with content type %s: %s", r.status, r.header.Get("Content-Type"), r.body)
	}
	return r
}

// request returns a request from the tenant acme. The body is JSON or a value to marshal;
// headers holds alternating names and values.
func (w *world) request(method, path string, body any, headers ...string) *http.Request {
	w.t.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			w.t.Fatal(err)
		}
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, Prefix+path, bytes.NewReader(text))
	if text != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// as serves a request with the principal p.
func (w *world) as(p access.Principal, r *http.Request) reply {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r.WithContext(access.With(r.Context(), p)))
	return reply{w.t, rec.Code, rec.Header(), rec.Body.String()}
}

func (w *world) do(method, path string, body any, headers ...string) reply {
	w.t.Helper()
	return w.as(w.actor, w.request(method, path, body, headers...))
}

// perform executes an import as a worker would.
func (w *world) perform(runID string) error {
	run, err := w.engine.Run(context.Background(), "acme", runID)
	if err != nil {
		return err
	}
	return w.worker.Execute(context.Background(), run)
}

// imported imports the first n clients and returns the id of the run.
func (w *world) imported(n int) string {
	w.t.Helper()
	ids := w.sim.Tenant("").IDs()[1 : n+1] // the first client is "Unknown"
	id := w.do("POST", "/imports", map[string]any{"connection": w.conn.ID, "client_ids": ids}).want(http.StatusAccepted).text("run_id")
	if err := w.perform(id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// mustNotHold fails the test if a reply contains the client secret.
func (w *world) mustNotHold(what string, r reply) {
	w.t.Helper()
	if strings.Contains(r.body, testSecret) || strings.Contains(fmt.Sprint(r.header), testSecret) {
		w.t.Errorf("%s contains the client secret: %s", what, r.body)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// between arranges for f to be called before the next request to Halo. The result points
// to true once f has been called.
func (w *world) between(f func()) *bool {
	called := new(bool)
	gate := func(context.Context) error {
		w.gate.Store(nil)
		*called = true
		f()
		return nil
	}
	w.gate.Store(&gate)
	return called
}
