package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
	"github.com/halosync/halosync/tasks"
)

// A run that panics is tried three times. Then its record contains the stack trace.
func TestPanicsEndTheRun(t *testing.T) {
	t.Parallel()
	for where, nth := range map[string]int64{"token": 1, "page": 2, "client": 3} { // number of the request in an execution
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 10)
			conn := w.connect("acme", "main")
			var requests atomic.Int64
			bug := enginetest.New(enginetest.Config{Store: w.store, Allow: w.engine.Config.Allow, Budget: func(context.Context, string, string, ratelimit.Class) error {
				if requests.Add(1)%nth == 0 {
					panic("unexpected value")
				}
				return nil
			}})
			j := job(all(conn))
			if where == "client" {
				j = job(tasks.ImportArgs{Tenant: "acme", ConnectionID: conn.ID.String(), ClientIDs: []int64{1, 2, 3, 4, 5}})
			}
			for j.Attempt = 1; j.Attempt <= 3; j.Attempt++ {
				if run, err := w.store.Run(t.Context(), "acme", mustID(t, j.RunID)); err == nil && run.Ended() {
					t.Fatalf("ended after %d attempts", j.Attempt-1)
				}
				requests.Store(0) // a panic does not stop the other concurrent requests
				_, err := bug.Import(t.Context(), j)
				if _, put := tasks.IsLater(err); err == nil || put {
					t.Fatalf("attempt %d: %v", j.Attempt, err)
				}
			}
			run := w.run(j)
			if run.State != repo.StateFailed || !strings.HasPrefix(run.Error, "panic: unexpected value") || !strings.Contains(run.Stack, "goroutine") {
				t.Errorf("%s: %q\n%s", run.State, run.Error, run.Stack)
			}
			if where == "client" && !strings.Contains(run.Stack, "TestPanicsEndTheRun") {
				t.Errorf("the stack trace does not show the line that panicked:\n%s", run.Stack)
			}
		})
	}
}

// A run that crashes three workers in a row fails, but a person can retry it.
func TestRunThatKillsWorkers(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10)
	conn := w.connect("acme", "main")
	j := job(all(conn))
	die := func() {
		t.Helper()
		row, err := dispatch.NewRun(repo.KindImport, j.RunID, j.Args)
		if err != nil {
			t.Fatal(err)
		}
		row.Died = j.Died
		if _, err := w.store.ClaimRun(t.Context(), row); err != nil {
			t.Fatal(err)
		}
		j.Died = true
		j.Attempt++
	}
	for range 3 {
		die()
	}
	if _, err := w.engine.Import(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	run := w.run(j)
	if run.State != repo.StateFailed || !strings.Contains(run.Error, "set aside: 3 workers in a row died") || !strings.Contains(run.Error, "runs retry "+j.RunID) {
		t.Errorf("%s: %q", run.State, run.Error)
	}

	// A run that crashes only two workers succeeds.
	j = job(all(conn))
	for range 2 {
		die()
	}
	if run := w.finish(j); run.State != repo.StateSucceeded {
		t.Errorf("%s: %q", run.State, run.Error)
	}
}

// If Postgres fails or hangs while a run's record is being closed, the run uses up no
// attempt.
func TestPostgresAwayAtTheEndSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{
		`raise exception 'the database system is shutting down' using errcode = '57P01'`,
		fmt.Sprintf(`perform pg_sleep(%f)`, (11 * time.Second).Seconds()),
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 0)
			plainClients(w, 50)
			j := job(all(w.connect("acme", "main")))
			repotest.Exec(t, w.url, `create function fault() returns trigger language plpgsql as $$ begin `+fault+`; return new; end $$`)
			repotest.Exec(t, w.url, `create trigger fault before update on halosync.runs
				for each row when (new.state = 'succeeded') execute function fault()`)
			_, err := w.engine.Import(t.Context(), j)
			if after, put := tasks.IsLater(err); !put || after != 10*time.Second {
				t.Errorf("%v, later %v after %v", err, put, after)
			}
			repotest.Exec(t, w.url, `drop trigger fault on halosync.runs`)
			if run := w.finish(j); run.State != repo.StateSucceeded || run.Created != 50 || run.Attempt != 2 {
				t.Errorf("afterwards: %+v", run)
			}
		})
	}
}

// While Postgres is unavailable, runs are postponed and do not fail.
func TestPostgresAwaySpendsNoAttempt(t *testing.T) {
	t.Parallel()
	server := repotest.Server(t, map[string]string{"synchronous_commit": "on"})
	if _, err := schema.Migrate(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	w := newFixture(t, 0)
	plainClients(w, 250)
	w.url, w.store = server.URL(), repotest.Open(t, server.URL())
	w.engine = w.engine.With(func(c *enginetest.Config) { c.Store = w.store })
	conn := w.connect("acme", "main")
	j := job(all(conn))
	execute := func(what string) {
		t.Helper()
		_, err := w.engine.Import(t.Context(), j)
		if after, put := tasks.IsLater(err); !put || after != 10*time.Second {
			t.Errorf("%s: %v, later %v after %v", what, err, put, after)
		}
	}
	w.before(3, func() { // between two pages
		if err := server.HaltImmediate(); err != nil {
			t.Error(err)
		}
	})
	execute("crashed in the middle")
	execute("away")
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if run := w.finish(j); run.State != repo.StateSucceeded || run.Created != 250 {
		t.Errorf("%s: %d created, %q", run.State, run.Created, run.Error)
	}
	if n := len(w.companies("acme")); n != 250 {
		t.Errorf("%d companies", n)
	}
}

// A secret or token in a panic value is redacted in the log, the ledger and the queue.
func TestPanicsAreToldWithoutSecrets(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10)
	conn := w.connect("acme", "main")
	for what, value := range map[string]func() any{
		"a text":       func() any { return "cannot send " + testSecret },
		"an error":     func() any { return fmt.Errorf("post: %w", errors.New("client_secret="+testSecret)) },
		"a token":      func() any { return "header " + w.halo.Tokens()[0] },
		"a header":     func() any { return map[string][]string{"Authorization": {"Bearer " + w.halo.Tokens()[0]}} },
		"a struct":     func() any { return dial.Credentials{ClientID: testApp, Secret: secret.NewString(testSecret)} },
		"a config":     func() any { return halo.Config{ClientID: testApp, ClientSecret: testSecret} },
		"a text in %q": func() any { return []string{testSecret} },
	} {
		core, logs := observer.New(zap.DebugLevel)
		var requests atomic.Int64
		bug := enginetest.New(enginetest.Config{Store: w.store, Allow: w.engine.Config.Allow, Log: zap.New(core), Budget: func(context.Context, string, string, ratelimit.Class) error {
			if requests.Add(1) == 2 {
				panic(value())
			}
			return nil
		}})
		j := job(all(conn))
		j.Final = true
		_, err := bug.Import(t.Context(), j)
		run := w.run(j)
		if err == nil || run.State != repo.StateFailed || !strings.Contains(run.Error, "panic: ") || logs.FilterMessage("panic").Len() != 1 {
			t.Errorf("%s: %s %q, %v, log %v", what, run.State, run.Error, err, logs.All())
		}
		output := fmt.Sprint(err, run.Error, run.Stack)
		for _, entry := range logs.All() {
			output += fmt.Sprint(entry.Message, entry.ContextMap())
		}
		hidden := []string{testSecret}
		for _, token := range w.halo.Tokens() {
			hidden = append(hidden, token[strings.LastIndexByte(token, '.')+1:])
		}
		for _, hidden := range hidden {
			if strings.Contains(output, hidden) {
				t.Errorf("%s: %q is in the output:\n%s", what, hidden, output)
			}
		}
	}
}
