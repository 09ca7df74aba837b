package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

func TestMain(m *testing.M) { repotest.Main(m) }

// Credentials for the simulated Halo.
const (
	testApp    = "app-1"
	testSecret = "canary-s3cret"
)

// fixture is an engine with a real database and a simulated Halo.
type fixture struct {
	t      *testing.T
	url    string // of the database
	store  *repo.Store
	halo   *halotest.Halo
	tenant *halotest.Tenant // the Halo side of a connection
	app    *halotest.App
	engine *enginetest.Worker
	second *enginetest.Worker // another worker

	mu   sync.Mutex
	nth  int // number of the engine's request at which hook is called
	hook func()
}

// before makes the fixture call f before the engine's nth request from now.
func (w *fixture) before(nth int, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nth, w.hook = nth, f
}

// request is the engine's request budget. It counts requests and calls the hook.
func (w *fixture) request(context.Context, string, string, ratelimit.Class) error {
	w.mu.Lock()
	w.nth--
	hook := w.hook
	if w.nth != 0 {
		hook = nil
	}
	w.mu.Unlock()
	if hook != nil {
		hook()
	}
	return nil
}

// newFixture starts a Halo with n realistic clients.
func newFixture(t *testing.T, n int, opts ...halotest.Option) *fixture {
	t.Helper()
	url := repotest.URL(t)
	w := &fixture{t: t, url: url, store: repotest.Open(t, url), halo: halotest.Start(t, opts...)}
	w.tenant = w.halo.Tenant("")
	w.app = w.tenant.App(testApp, testSecret)
	if n > 0 {
		w.tenant.Seed(n, 7)
	}
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	w.engine = enginetest.New(enginetest.Config{Store: w.store, Allow: allow, Budget: w.request})
	w.second = enginetest.New(enginetest.Config{Store: w.store, Allow: allow})
	return w
}

// connect adds a connection to the simulated Halo.
func (w *fixture) connect(tenant, name string) repo.Connection {
	w.t.Helper()
	conn, err := w.engine.AddConnection(w.t.Context(), tenant, "test", w.input(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

func (w *fixture) input(name string) engine.ConnectionInput {
	return engine.ConnectionInput{
		Name: name, Domain: w.halo.ResourceServer(), AuthServer: w.halo.AuthServer(),
		ClientID: testApp, Secret: secret.NewString(testSecret),
	}
}

// job returns a task with arguments, as the queue delivers it.
func job(args tasks.ImportArgs) tasks.Job[tasks.ImportArgs] {
	return tasks.Job[tasks.ImportArgs]{
		RunID: tasks.NewRunID(), Args: args.Canonical(), Attempt: 1, Draining: make(chan struct{}),
	}
}

// all returns the arguments of an import of all clients.
func all(conn repo.Connection) tasks.ImportArgs {
	return tasks.ImportArgs{Tenant: conn.Tenant, ConnectionID: conn.ID.String(), All: true, RequestedBy: "test"}
}

// finish executes a job as often as the queue does, without delays, and returns the run
// once it has ended. It counts failures that use up an attempt, and marks the last attempt
// as final.
func (w *fixture) finish(j tasks.Job[tasks.ImportArgs]) repo.Run {
	w.t.Helper()
	const attempts, executions = 10, 60
	var err error
	for range executions {
		j.Final = j.Attempt == attempts
		_, err = w.engine.Import(w.t.Context(), j)
		if _, put := tasks.IsLater(err); err != nil && !put {
			j.Attempt++
		}
		if run := w.run(j); run.Ended() {
			return run
		}
		if j.Attempt > attempts {
			w.t.Fatalf("run %s has no attempts left and has not ended: %v", j.RunID, err)
		}
	}
	w.t.Fatalf("run %s has not ended after %d executions: %v", j.RunID, executions, err)
	return repo.Run{}
}

// importAll imports everything and returns the run.
func (w *fixture) importAll(conn repo.Connection) repo.Run {
	w.t.Helper()
	return w.finish(job(all(conn)))
}

func (w *fixture) run(j tasks.Job[tasks.ImportArgs]) repo.Run {
	w.t.Helper()
	run, err := w.engine.Run(w.t.Context(), j.Args.Tenant, j.RunID)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func (w *fixture) mappings(tenant string) []repo.Mapping {
	w.t.Helper()
	var mappings []repo.Mapping
	for m, err := range w.store.AllMappings(context.Background(), tenant, repo.MappingFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		mappings = append(mappings, m)
	}
	return mappings
}

func (w *fixture) companies(tenant string) []repo.Company {
	w.t.Helper()
	var companies []repo.Company
	for c, err := range w.store.AllCompanies(context.Background(), tenant, repo.CompanyFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		companies = append(companies, c)
	}
	return companies
}

// counts returns a run's counts on one line.
func counts(r repo.Run) string {
	text := fmt.Sprintf("%s: %d records, %d created, %d linked, %d refreshed, %d unchanged, %d ambiguous, %d skipped, %d failed",
		r.State, r.Records, r.Created, r.Linked, r.Refreshed, r.Unchanged, r.Ambiguous, r.Skipped, r.Failed)
	if r.Complete {
		text += ", complete"
	}
	return text
}

func itoa(i int) string { return fmt.Sprint(i) }

func mustID(t *testing.T, runID string) uuid.UUID {
	t.Helper()
	id, err := uuid.Parse(runID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
