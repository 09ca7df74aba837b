package repo_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// plan is a node of an executed query plan.
type plan struct {
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"`
	Removed float64 `json:"Rows Removed by Filter"`
	Loops   float64 `json:"Actual Loops"`
	Plans   []plan
}

// read returns the number of rows read from tables.
func (p plan) read() (n float64) {
	if p.Table != "" {
		n = (p.Rows + p.Removed) * p.Loops
	}
	for _, below := range p.Plans {
		n += below.read()
	}
	return n
}

// readRows runs a query and returns the number of rows that it read from tables.
func readRows(t *testing.T, q querier, sql string, args ...any) float64 {
	t.Helper()
	var raw []byte
	if err := q.QueryRow(t.Context(), "explain (analyze, format json) "+sql, args...).Scan(&raw); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan plan }
	if err := json.Unmarshal(raw, &plans); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s\n%s", sql, raw)
	return plans[0].Plan.read()
}

// The cost of a tick's statements depends on the number of rows that they find, not on
// the size of the tables, even with row level security.
func TestTicksReadWhatTheyFind(t *testing.T) {
	t.Parallel()
	const connections = 5_000
	url := repotest.URL(t)
	repotest.Exec(t, url, fmt.Sprintf(`
		insert into halosync.connections (id, tenant, name, domain, auth_server, client_id, secret_sealed)
		select gen_random_uuid(), 't' || n, 'halo', 'https://acme.halopsa.com/api', 'https://acme.halopsa.com/auth', 'app', '\xab'
		from generate_series(1, %d) n`, connections))
	repotest.Exec(t, url, `
		insert into halosync.runs (id, tenant, connection_id, kind, request_key, state, dispatched_at)
		select gen_random_uuid(), tenant, id, 'resync', 'key', 'queued', now() from halosync.connections`)
	repotest.Exec(t, url, `
		insert into halosync.runs (id, tenant, connection_id, kind, request_key, state, dispatched_at, finished_at)
		select gen_random_uuid(), tenant, id, 'resync', 'key', 'succeeded', now() - n * interval '1 day', now()
		from halosync.connections, generate_series(1, 3) n`)
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, repotest.Worker(t, url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	if _, err := conn.Exec(ctx, `set halosync.tenant = '*'`); err != nil {
		t.Fatal(err)
	}
	cheap := func(what, sql string, args ...any) {
		t.Helper()
		tx := must[pgx.Tx](t)(conn.Begin(ctx))
		defer func() { _ = tx.Rollback(ctx) }()
		if n := readRows(t, tx, sql, args...); n > connections/10 {
			t.Errorf("%s: %v rows read of %d", what, n, connections)
		}
	}
	for what, next := range map[string]string{
		"nothing planned": `null`, "all due": `now() - random() * interval '1 hour'`, "none due": `now() + interval '1 hour' + random() * interval '1 day'`,
	} {
		repotest.Exec(t, url, `update halosync.connections set next_resync_at = `+next)
		repotest.Exec(t, url, `vacuum analyze halosync.connections`)
		cheap(what+": due", repo.LockDueSQL, time.Now(), 200)
		if what != "all due" { // here the query must count most rows
			cheap(what+": late", repo.LateSQL, nil, 15*time.Minute)
		}
	}
	repotest.Exec(t, url, `vacuum analyze halosync.runs`)
	cheap("all in the queue: undispatched", repo.UndispatchedSQL, 500)
}
