package repo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

const enqueueSQL = `select halosync.enqueue($1, $2, $3, $4::jsonb, $5)`

// sqlConn returns a connection for a program that calls only the SQL function.
func sqlConn(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (w *fixture) enqueue(t testing.TB, q querier, kind, args string) (id uuid.UUID, err error) {
	t.Helper()
	err = q.QueryRow(t.Context(), enqueueSQL, kind, w.tenant, w.conn, args, "crm").Scan(&id)
	return id, err
}

// A request in SQL is part of the caller's transaction. Before the commit it is not
// visible and no worker is notified. A rollback discards it.
func TestEnqueueIsTransactional(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	conn := sqlConn(t, w.url)
	heard := make(chan struct{}, 9)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Listen(ctx, func() { heard <- struct{}{} }) }()
	await := func(what string) {
		t.Helper()
		select {
		case <-heard:
		case <-time.After(time.Minute):
			t.Fatalf("%s: no notification arrived", what)
		}
	}
	await("listening")

	for _, commit := range []bool{false, true} {
		tx := must[pgx.Tx](t)(conn.Begin(t.Context()))
		id := must[uuid.UUID](t)(w.enqueue(t, tx, "import", `{"all": true}`))
		if _, err := w.Run(t.Context(), w.tenant, id); !errors.Is(err, repo.ErrNotFound) {
			t.Errorf("seen before the commit: %v", err)
		}
		if !commit {
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			equal(t, "runs after rollback", len(must[[]repo.Run](t)(w.Runs(t.Context(), w.tenant, repo.RunFilter{}))), 0)
			continue
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		await("the commit")
		equal(t, "notifications of the rollback", len(heard), 0)
		run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, id))
		equal(t, "run", []string{string(run.State), string(run.Kind), run.RequestedBy}, []string{"queued", "import", "crm"})
		taken := must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 9))
		equal(t, "for the dispatcher", len(taken), 1)
		equal(t, "a second time", len(must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 9))), 0)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("listening ended with %v", err)
	}
}

// If several transactions commit at the same time, only one of them notifies the
// workers, so that the others need not wait for it.
func TestEnqueueNotifiesOnceForConcurrentCommits(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ear, conn := sqlConn(t, w.url), sqlConn(t, w.url)
	if _, err := ear.Exec(t.Context(), "listen halosync_queued"); err != nil {
		t.Fatal(err)
	}
	tx := must[pgx.Tx](t)(conn.Begin(t.Context()))
	must[uuid.UUID](t)(w.enqueue(t, tx, "import", `{"search": "first"}`))
	if _, err := tx.Exec(t.Context(), "set constraints all immediate"); err != nil { // runs the trigger, as in a commit that is still being flushed to disk
		t.Fatal(err)
	}
	other := sqlConn(t, w.url)
	must[uuid.UUID](t)(w.enqueue(t, other, "import", `{"search": "meanwhile"}`))
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	must[uuid.UUID](t)(w.enqueue(t, other, "import", `{"search": "last"}`))
	if _, err := other.Exec(t.Context(), "notify halosync_queued, 'end'"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", "", "end"} { // the first and the last
		told, err := ear.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "told", told.Payload, want)
	}
	equal(t, "for the dispatcher", len(must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 9))), 3)
}

// The cost of a request does not grow with the number of waiting runs. An equal request
// is found by its hash, whatever the planner estimated when the session began.
func TestEnqueueCostIgnoresWaitingRuns(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	conn := sqlConn(t, w.url)
	ask := func(search string) uuid.UUID {
		args := must[[]byte](t)(json.Marshal(map[string]string{"search": search}))
		return must[uuid.UUID](t)(w.enqueue(t, conn, "import", string(args)))
	}
	const waiting = 300
	first := ask("0")
	for i := 1; i < waiting; i++ {
		ask(fmt.Sprint(i))
	}
	equal(t, "found again", ask("0"), first)
	const read = `select (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'runs') + (select seq_tup_read from pg_stat_user_tables where relname = 'runs')`
	if _, err := conn.Exec(t.Context(), "select pg_stat_force_next_flush()"); err != nil {
		t.Fatal(err)
	}
	if n := repotest.Value[int](t, w.url, read); n > waiting {
		t.Errorf("%d rows read for %d requests", n, waiting)
	}
}

// Equal requests share one run until it ends, even if they are written differently and
// many arrive at once.
func TestEnqueueFindsEqualRequest(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	conn := sqlConn(t, w.url)
	ids := map[uuid.UUID]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			conn := sqlConn(t, w.url)
			args := `{"client_ids": [3, 1, 2, 3]}`
			if i%2 == 0 {
				args = `{"client_ids": [1, 2, 3], "search": "", "all": false, "dry_run": null, "tenant": "ignored"}`
			}
			id, err := w.enqueue(t, conn, []string{"import", "halo:import"}[i%2], args)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[id] = true
		})
	}
	all.Wait()
	equal(t, "runs", len(ids), 1)
	other := must[uuid.UUID](t)(w.enqueue(t, conn, "import", `{"client_ids": [1, 2]}`))
	if ids[other] {
		t.Error("another request got the same run")
	}
	for id := range ids {
		if _, err := w.RequestCancel(t.Context(), w.tenant, id, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	next := must[uuid.UUID](t)(w.enqueue(t, conn, "import", `{"client_ids": [1, 2, 3]}`))
	if ids[next] {
		t.Error("a new request got a finished run")
	}
}

// A request in SQL finds the run of an equal request from the scheduler or from Go
// code.
func TestEnqueueFindsRunsOfOthers(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	n := w.newRun("a-key-of-go")
	n.Args = json.RawMessage(fmt.Sprintf(`{"all": true, "tenant": %q, "connection_id": %q, "requested_by": "ann"}`, w.tenant, w.conn))
	run, _, err := w.CreateRun(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	id := must[uuid.UUID](t)(w.enqueue(t, sqlConn(t, w.url), "import", `{"all": true}`))
	equal(t, "run", id, run.ID)

	// Once a run requested in SQL has the key that Go computes, Go finds it.
	id = must[uuid.UUID](t)(w.enqueue(t, sqlConn(t, w.url), "import", `{"search": "bakery"}`))
	if err := w.SetRequestKey(t.Context(), w.tenant, id, "bakery-key"); err != nil {
		t.Fatal(err)
	}
	run, existing, err := w.CreateRun(t.Context(), w.newRun("bakery-key"))
	if err != nil || !existing || run.ID != id {
		t.Errorf("%v %v %v, want run %v, requested in SQL", run.ID, existing, err, id)
	}
	// Two live runs never get the same key.
	id = must[uuid.UUID](t)(w.enqueue(t, sqlConn(t, w.url), "import", `{"search": "café"}`))
	if err := w.SetRequestKey(t.Context(), w.tenant, id, "bakery-key"); err != nil {
		t.Fatal(err)
	}
	key := must[repo.Run](t)(w.Run(t.Context(), w.tenant, id)).RequestKey
	if !strings.HasPrefix(key, "sql:") {
		t.Errorf("key %q", key)
	}
}

// An invalid request is refused before anything is written.
func TestEnqueueRefuses(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	paused := join(t, w.Store, w.url, "acme", "paused")
	if err := w.SetConnectionState(t.Context(), "acme", "ann", paused.conn, repo.Paused, "for now"); err != nil {
		t.Fatal(err)
	}
	conn := sqlConn(t, w.url)
	for _, tt := range []struct {
		tenant     string
		connection uuid.UUID
		kind, args string
		code, want string
	}{
		{"acme", w.conn, "export", `{}`, "22023", `kind "export" is unknown: want import, map, unmap, resync or suggest`},
		{"acme", w.conn, "import", `[]`, "22023", "want a JSON object"},
		{"acme", w.conn, "import", `{}`, "22023", "want one of all, search and client_ids"},
		{"acme", w.conn, "import", `{"all": true, "search": "x"}`, "22023", "want one of all"},
		{"acme", w.conn, "import", `{"al": true}`, "22023", `unknown field "al"`},
		{"acme", w.conn, "import", `{"all": 1}`, "22023", "all: want true"},
		{"acme", w.conn, "import", `{"search": " "}`, "22023", "search: want text"},
		{"acme", w.conn, "import", `{"client_ids": 7}`, "22023", "client_ids: want an array"},
		{"acme", w.conn, "import", `{"client_ids": [1, -2]}`, "22023", "whole numbers from 1"},
		{"acme", w.conn, "import", `{"client_ids": [1.5]}`, "22023", "whole numbers from 1"},
		{"acme", w.conn, "map", `{}`, "22023", "pairs: none"},
		{"acme", w.conn, "unmap", `{"mapping_ids": []}`, "22023", "mapping_ids: none"},
		{"globex", w.conn, "import", `{"all": true}`, "22023", "does not exist"},
		{"acme", uuid.New(), "import", `{"all": true}`, "22023", "does not exist"},
		{"acme", paused.conn, "import", `{"all": true}`, "55000", `connection "paused" is paused`},
	} {
		var id uuid.UUID
		err := conn.QueryRow(t.Context(), enqueueSQL, tt.kind, tt.tenant, tt.connection, tt.args, "crm").Scan(&id)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != tt.code || !strings.Contains(pg.Message, tt.want) {
			t.Errorf("%s %s of %s: %v, want %s with code %s", tt.kind, tt.args, tt.tenant, err, tt.want, tt.code)
		}
	}
	equal(t, "runs", repotest.Value[int](t, w.url, `select count(*) from halosync.runs`), 0)
}

// A program needs only the right to execute the function. It does not have this right
// by default.
func TestEnqueueNeedsOneRight(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	role := "crm_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	as := sqlConn(t, w.url)
	exec := func(sql string) {
		t.Helper()
		if _, err := as.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`create role ` + role)
	t.Cleanup(func() {
		for _, sql := range []string{`reset role`, `drop owned by ` + role, `drop role ` + role} {
			if _, err := as.Exec(context.Background(), sql); err != nil {
				t.Error(err)
			}
		}
	})
	exec(`grant usage on schema halosync to ` + role)
	exec(`set role ` + role)
	if _, err := w.enqueue(t, as, "import", `{"all": true}`); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("without the right: %v", err)
	}
	exec(`reset role`)
	exec(`grant execute on function halosync.enqueue to ` + role)
	exec(`set role ` + role)
	id := must[uuid.UUID](t)(w.enqueue(t, as, "import", `{"all": true}`))
	if err := tryQuery(t, as, `select id from halosync.runs`); err == nil {
		t.Error("the role reads the ledger")
	}
	equal(t, "run", must[repo.Run](t)(w.Run(t.Context(), w.tenant, id)).State, repo.StateQueued)
}

func tryQuery(t testing.TB, conn *pgx.Conn, sql string) error {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	return err
}
