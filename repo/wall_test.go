package repo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// A session that names a tenant cannot request a run of another tenant. The error is
// the same as for a connection that does not exist, and it does not wait for locks of
// the other tenant.
func TestEnqueueStaysBehindTheWall(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	eve := join(t, w.Store, w.url, "globex", "vault")
	if err := w.SetConnectionState(t.Context(), "globex", "ann", eve.conn, repo.Paused, "being sold"); err != nil {
		t.Fatal(err)
	}
	busy := join(t, w.Store, w.url, "globex", "busy")
	repotest.Exec(t, w.url, `grant execute on function halosync.enqueue to halosync_worker`)
	conn := sqlConn(t, repotest.Worker(t, w.url))
	session := func(setting string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), `select set_config('halosync.tenant', $1, false)`, setting); err != nil {
			t.Fatal(err)
		}
	}
	// refusal returns the whole error that the caller gets, without the values that
	// the caller sent.
	refusal := func(tenant string, id uuid.UUID) string {
		t.Helper()
		var run uuid.UUID
		err := conn.QueryRow(t.Context(), enqueueSQL, "resync", tenant, id, `{}`, "crm").Scan(&run)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) {
			t.Errorf("connection of %s: run %v, %v", tenant, run, err)
			return ""
		}
		pg.Line, pg.File = 0, ""
		text := fmt.Sprintf("%+v", *pg)
		return strings.NewReplacer(tenant, "TENANT", id.String(), "ID").Replace(text)
	}
	// A request that reads the other tenant's connections would have to wait for this lock.
	tx := must[pgx.Tx](t)(sqlConn(t, w.url).Begin(t.Context()))
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `select from halosync.connections where tenant = 'globex' for update`); err != nil {
		t.Fatal(err)
	}
	// The lock is held until the end of the loop, so a request that waits for it would never
	// return. The limit is long, because Postgres may briefly hold locks of its own.
	if _, err := conn.Exec(t.Context(), `set lock_timeout = '1min'`); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"acme", "", "nobody", "globe", "globex ", "GLOBEX", "%"} {
		session(setting)
		want := refusal("nowhere", uuid.New())
		if !strings.Contains(want, "Code:22023") || !strings.Contains(want, "connection ID of tenant TENANT does not exist") {
			t.Fatalf("setting %q: %s", setting, want)
		}
		for what, got := range map[string]string{
			"an active connection":            refusal("globex", busy.conn),
			"a paused connection":             refusal("globex", eve.conn),
			"no connection of another tenant": refusal("globex", uuid.New()),
			"another tenant's, as one's own":  refusal("acme", eve.conn),
			"every tenant":                    refusal("*", busy.conn),
		} {
			equal(t, fmt.Sprintf("setting %q, %s", setting, what), got, want)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "runs", repotest.Value[int](t, w.url, `select count(*) from halosync.runs`), 0)

	for _, setting := range []string{"globex", "*"} {
		session(setting)
		if got := refusal("globex", eve.conn); !strings.Contains(got, `connection "vault" is paused`) || !strings.Contains(got, "being sold") {
			t.Errorf("setting %q, the tenant's own paused connection: %s", setting, got)
		}
		if _, err := eve.enqueueAs(t, conn, busy.conn); err != nil {
			t.Errorf("setting %q: %v", setting, err)
		}
	}
	// A session that has never set the tenant is limited only by its rights.
	if _, err := eve.enqueueAs(t, sqlConn(t, repotest.Worker(t, w.url)), busy.conn); err != nil {
		t.Errorf("never set: %v", err)
	}
}

func (w *fixture) enqueueAs(t *testing.T, conn *pgx.Conn, connection uuid.UUID) (id uuid.UUID, err error) {
	t.Helper()
	err = conn.QueryRow(t.Context(), enqueueSQL, "resync", w.tenant, connection, `{}`, "crm").Scan(&id)
	return id, err
}

// Any session can listen, so the notification of a request in SQL contains nothing about
// the request.
func TestNotificationsNameNoRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ear := sqlConn(t, repotest.CLI(t, w.url))
	if _, err := ear.Exec(t.Context(), "listen halosync_queued"); err != nil {
		t.Fatal(err)
	}
	must[uuid.UUID](t)(w.enqueue(t, sqlConn(t, w.url), "import", `{"all": true}`))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	told, err := ear.WaitForNotification(ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "payload", told.Payload, "")
}

// A session that names a tenant sees only that tenant's rows of the view
// current_mappings, and the product's queries of the view still use the indexes.
func TestCurrentMappingsAreBehindTheWall(t *testing.T) {
	t.Parallel()
	const tenants, mappings = 20, 500
	url := repotest.URL(t)
	repotest.Exec(t, url, `
		insert into halosync.connections (id, tenant, name, domain, auth_server, client_id, secret_sealed)
		select gen_random_uuid(), 't' || n, 'halo', 'https://acme.halopsa.com/api', 'https://acme.halopsa.com/auth', 'app', '\xab'
		from generate_series(1, $1) n`, tenants)
	repotest.Exec(t, url, `
		with made as (
			insert into halosync.companies (tenant, id, name, norm_name)
			select tenant, gen_random_uuid(), 'Client ' || i, i::text from halosync.connections, generate_series(1, $1) i returning tenant, id, norm_name)
		insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
		select m.tenant, gen_random_uuid(), n.id, m.id, norm_name::bigint, 'Client ' || norm_name, false, 'import', 'ok'
		from made m join halosync.connections n on n.tenant = m.tenant`, mappings)
	repotest.Exec(t, url, `create table public.product (company_id uuid primary key, region text)`)
	repotest.Exec(t, url, `insert into public.product select id, norm_name from halosync.companies`)
	repotest.Exec(t, url, `analyze`)
	repotest.Exec(t, url, `grant select on halosync.current_mappings, public.product to halosync_worker`)
	company := repotest.Value[uuid.UUID](t, url, `select id from halosync.companies where tenant = 't7' and norm_name = '42'`)
	connection := repotest.Value[uuid.UUID](t, url, `select id from halosync.connections where tenant = 't7'`)

	conn := sqlConn(t, repotest.Worker(t, url))
	count := func() (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `select count(*) from halosync.current_mappings`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	cheap := func(what, sql string, args ...any) {
		t.Helper()
		if n := readRows(t, conn, sql, args...); n > mappings/10 {
			t.Errorf("%s: %v rows read", what, n)
		}
	}
	queries := func(setting string) {
		t.Helper()
		cheap(setting+", a company", `select * from halosync.current_mappings where tenant = 't7' and company_id = $1`, company)
		cheap(setting+", a client", `select * from halosync.current_mappings where tenant = 't7' and connection_id = $1 and client_id = 42`, connection)
		cheap(setting+", a join", `
			select p.region, m.client_id from public.product p join halosync.current_mappings m on m.company_id = p.company_id
			where p.company_id = any($1) and m.tenant = 't7'`, []uuid.UUID{company})
		cheap(setting+", a left join", `
			select p.region, m.client_id from public.product p left join halosync.current_mappings m on m.company_id = p.company_id and m.tenant = 't7'
			where p.company_id = any($1)`, []uuid.UUID{company})
	}
	equal(t, "never set", count(), tenants*mappings)
	queries("never set")
	for setting, want := range map[string]int{"t7": mappings, "*": tenants * mappings, "": 0, "nobody": 0, "t": 0} {
		if _, err := conn.Exec(t.Context(), `select set_config('halosync.tenant', $1, false)`, setting); err != nil {
			t.Fatal(err)
		}
		equal(t, "rows with the setting "+setting, count(), want)
		if want > 0 {
			queries("setting " + setting)
		}
	}
	if _, err := conn.Exec(t.Context(), `select set_config('halosync.tenant', 't8', false)`); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(t.Context(), `select count(*) from halosync.current_mappings where company_id = $1`, company).Scan(&n); err != nil || n != 0 {
		t.Errorf("another tenant's company: %d rows, %v", n, err)
	}
	for _, sql := range []string{`delete from halosync.current_mappings`, `update halosync.current_mappings set state = 'ok'`} {
		if _, err := conn.Exec(t.Context(), sql); code(err) != "55000" && code(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
