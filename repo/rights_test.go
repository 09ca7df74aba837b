package repo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

// programURLs returns the addresses of a database for the roles of the programs.
func programURLs(t *testing.T, url string) map[string]string {
	t.Helper()
	return map[string]string{"worker": repotest.Worker(t, url), "cli": repotest.CLI(t, url)}
}

// An attacker with a program's role can add events, but cannot choose the values that the
// database sets, and cannot change or delete events.
func TestEventsCannotBeForged(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	repotest.Exec(t, w.url, `revoke all on all tables in schema halosync from halosync_worker`)
	repotest.Exec(t, w.url, `grant insert on halosync.events to halosync_worker`) // as in earlier releases
	repotest.Exec(t, w.url, `grant insert (at), update (actor) on halosync.events to halosync_worker`)
	if err := schema.Grant(t.Context(), w.url, "halosync_worker", schema.Worker); err != nil {
		t.Fatal(err)
	}
	for program, url := range programURLs(t, w.url) {
		conn := sqlConn(t, url)
		if _, err := conn.Exec(t.Context(), `set halosync.tenant = 'acme'`); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{
			`insert into halosync.events (tenant, actor, action, at) values ('acme', 'key:console', 'x', now() - interval '1 year')`,
			`insert into halosync.events (tenant, actor, action, at) values ('acme', 'key:console', 'x', default)`,
			`insert into halosync.events (tenant, actor, action, id) overriding system value values ('acme', 'key:console', 'x', 1)`,
			`insert into halosync.events (tenant, actor, action, id) overriding user value values ('acme', 'key:console', 'x', 1)`,
			`insert into halosync.events (tenant, actor, action, written_by) values ('acme', 'key:console', 'x', 'halosync_cli')`,
			`copy halosync.events (tenant, actor, action, at) from stdin`,
			`update halosync.events set actor = 'eve'`,
			`update halosync.events set at = now() - interval '1 year'`,
			`delete from halosync.events`,
			`truncate halosync.events`,
			`select setval('halosync.events_id_seq', 1)`,
			`select nextval('halosync.events_id_seq')`,
			`alter table halosync.events disable trigger events_append_only`,
			`create trigger t before insert on halosync.events for each row execute function halosync.refuse_change()`,
			`create rule r as on insert to halosync.events do instead nothing`,
			`set session_replication_role = replica`,
			`select halosync.refuse_change()`,
		} {
			if _, err := conn.Exec(t.Context(), sql); code(err) != "42501" {
				t.Errorf("%s: %s: %v", program, sql, err)
			}
		}
		if _, err := conn.Exec(t.Context(), `set halosync.forgetting = 'on'`); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `delete from halosync.events`); code(err) != "42501" {
			t.Errorf("%s: delete with the setting of forget_events: %v", program, err)
		}
		// The database sets the time, the id and the role, regardless of the settings of
		// the session.
		if _, err := conn.Exec(t.Context(), `set timezone = 'Etc/GMT+12'`); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `insert into halosync.events (tenant, actor, action) values ('acme', 'key:console', $1)`, program); err != nil {
			t.Fatal(err)
		}
		equal(t, program+": time, id and role", repotest.Value[string](t, w.url, `
			select concat_ws(' ', at between now() - interval '1 minute' and now(), id = (select max(id) from halosync.events), written_by)
			from halosync.events where action = $1`, program), "t t halosync_"+program)
	}
	events := must[[]repo.Event](t)(w.Events(t.Context(), "acme", repo.EventFilter{}))
	if last := events[len(events)-1]; last.Action != "connection.added" || last.WrittenBy == nil || *last.WrittenBy != "halosync_worker" {
		t.Errorf("event of the program: %+v", last)
	}
}

// forget_events keeps the events of the last 30 days, regardless of the age that its
// caller passes and of the other rights of the caller's role.
func TestForgetEventsKeepsAMonth(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	join(t, w.Store, w.url, "globex", "main")
	conn := sqlConn(t, repotest.Worker(t, w.url))
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	ageEvents(t, w.url, `true`, 29)
	exec(`set halosync.tenant = 'acme'`)
	exec(`delete from halosync.runs`)
	forget := func(tenant, age string) (gone int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `select halosync.forget_events($1, $2::text::interval, 1000)`, tenant, age).Scan(&gone); err != nil {
			t.Fatalf("%s: %v", age, err)
		}
		return gone
	}
	for _, age := range []string{
		"0", "-1 year", "-100 years 36030 days", "-1 month 60 days", "-12 months 390 days", "1 month", "30 days", "29 days 24 hours", "720 hours",
		"-1000 years 360030 days", "1 year -330 days",
	} {
		if gone := forget("acme", age); gone != 0 {
			t.Errorf("age %q: %d events of the last 30 days deleted", age, gone)
		}
	}
	ageEvents(t, w.url, `true`, 500)
	equal(t, "another tenant's", forget("globex", "400 days"), 0)
	exec(`set halosync.tenant = ''`)
	equal(t, "without a tenant", forget("acme", "400 days"), 0)
	exec(`set halosync.tenant = '*'`)
	equal(t, "old ones", []int{forget("acme", "400 days"), forget("globex", "400 days")}, []int{1, 1})
}

// code returns the SQLSTATE of an error from Postgres, or "".
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// The role of a worker can neither create nor change API keys, and the role of the CLI
// cannot create a key of the scope ops. A session has the scope of its key.
func TestRolesCannotWidenTheirAccess(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	cli, owner := repotest.OpenAs(t, repotest.CLI(t, w.url)), repotest.OpenAs(t, w.url)
	add := func(store *repo.Store, name, scope string) (repo.APIKey, error) {
		return store.AddAPIKey(t.Context(), "acme", "ann", repo.NewAPIKey{ID: uuid.New(), Name: name, Scope: scope})
	}
	for scope, may := range map[string][]bool{"read": {false, true, true}, "admin": {false, true, true}, "ops": {false, false, true}} {
		for i, store := range []*repo.Store{w.Store, cli, owner} {
			_, err := add(store, fmt.Sprint(scope, i), scope)
			if may[i] && err != nil || !may[i] && !errors.Is(err, repo.ErrKeyRight) {
				t.Errorf("key of scope %s, role %d: %v", scope, i, err)
			}
		}
	}
	if _, _, err := w.RevokeAPIKey(t.Context(), "acme", "ann", "read1"); !errors.Is(err, repo.ErrKeyRight) {
		t.Errorf("revoked by a worker: %v", err)
	}
	if _, _, err := cli.RevokeAPIKey(t.Context(), "acme", "ann", "ops2"); err != nil {
		t.Errorf("a key of the scope ops revoked by the CLI: %v", err)
	}
	for program, url := range programURLs(t, w.url) {
		conn := sqlConn(t, url)
		if _, err := conn.Exec(t.Context(), `set halosync.tenant = '*'`); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{
			`update halosync.api_keys set scope = 'ops'`,
			`update halosync.api_keys set hash = sha256('x')`,
			`update halosync.api_keys set revoked_at = null, expires_at = null`,
			`update halosync.api_keys set tenant = 'globex'`,
			`delete from halosync.api_keys`,
			`insert into halosync.api_keys (tenant, id, name, scope, hash, created_by) values ('acme', gen_random_uuid(), 'o', 'ops', sha256('x'), 'eve')`,
			`insert into halosync.api_keys (tenant, id, name, scope, hash, created_by, created_at) values ('acme', gen_random_uuid(), 'o', 'read', sha256('x'), 'eve', now() - interval '1 year')`,
			`insert into halosync.api_keys (tenant, id, name, scope, hash, created_by) select tenant, id, name, 'ops', hash, created_by from halosync.api_keys
				on conflict (id) do update set scope = 'ops'`,
			`drop policy ops_keys on halosync.api_keys`,
			`create policy mine on halosync.api_keys for insert with check (true)`,
			`alter table halosync.api_keys disable row level security`,
			`create function halosync.f() returns int language sql as 'select 1'`,
			`create schema mine`,
			`set role postgres`,
			`set session authorization postgres`,
		} {
			if _, err := conn.Exec(t.Context(), sql); code(err) != "42501" {
				t.Errorf("%s: %s: %v", program, sql, err)
			}
		}
		_, err := conn.Exec(t.Context(), `update halosync.api_keys set revoked_at = null where scope = 'ops'`)
		equal(t, program+": a key of the scope ops is brought back", code(err), map[string]string{"worker": "42501", "cli": "55000"}[program])
		if _, err := conn.Exec(t.Context(), `set row_security = off`); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `select from halosync.api_keys`); code(err) != "42501" {
			t.Errorf("%s: a read without row level security: %v", program, err)
		}
	}
	// Sessions of a worker's role.
	begin := func(tenant, scope string, key any) error {
		conn := sqlConn(t, repotest.Worker(t, w.url))
		_, err := conn.Exec(t.Context(), `insert into halosync.sessions (tenant, hash, actor, scope, api_key_id, expires_at)
			values ($1, sha256(gen_random_uuid()::text::bytea), 'user:eve', $2, $3, now() + interval '1 hour')`, tenant, scope, key)
		return err
	}
	read := must[[]repo.APIKey](t)(cli.APIKeys(t.Context(), "acme"))
	id := read[slices.IndexFunc(read, func(k repo.APIKey) bool { return k.Name == "read1" })].ID
	equal(t, "sessions", []string{
		code(begin("acme", "ops", nil)), code(begin("acme", "ops", id)), code(begin("acme", "admin", id)), code(begin("globex", "read", id)),
		code(begin("acme", "read", id)), code(begin("acme", "admin", nil)),
	}, []string{"23514", "23503", "23503", "23503", "", ""})
	said := repotest.Refusal(t, repotest.Worker(t, w.url), `update halosync.sessions set scope = 'ops'`)
	if !strings.Contains(said, "23503") && !strings.Contains(said, "23514") {
		t.Errorf("scope of a session widened: %s", said)
	}
}

// definers lists the functions that run with the rights of the owner. A new function needs
// the same protection: a fixed search_path, no execute right for public, and a check of
// the session's tenant.
var definers = []string{"enqueue", "forget_events", "forget_security_events", "stamp_security_event", "tell_queued"}

// A function that runs with the rights of the owner does not use tables or functions that
// the caller's session has defined, and public may not call it.
func TestSecurityDefinerFunctions(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	equal(t, "functions with the rights of the owner", repotest.Value[[]string](t, w.url, `
		select array_agg(p.proname::text order by p.proname) from pg_proc p where p.pronamespace = 'halosync'::regnamespace and p.prosecdef`), definers)
	equal(t, "without a fixed search_path, or open to everyone", repotest.Value[int](t, w.url, `
		select count(*) from pg_proc p where p.pronamespace = 'halosync'::regnamespace and p.prosecdef
			and (not 'search_path=pg_catalog, pg_temp' = any(p.proconfig) or has_function_privilege('public', p.oid, 'execute'))`), 0)

	// The session of a role with the execute right has its own tables first in its
	// search_path.
	repotest.Exec(t, w.url, `grant execute on function halosync.enqueue to halosync_worker`)
	conn := sqlConn(t, repotest.Worker(t, w.url))
	for _, sql := range []string{
		`set halosync.tenant = 'acme'`,
		`create temporary table connections (tenant text, id uuid, name text, state text, state_reason text)`,
		`create temporary table runs (like halosync.runs)`,
		`create temporary table events (like halosync.events)`,
		`insert into connections values ('acme', '00000000-0000-0000-0000-000000000001', 'fake', 'active', '')`,
		`insert into events (tenant, id, at, actor, action, how) values ('acme', 1, now() - interval '9 years', 'x', 'x', '')`,
		`create function pg_temp.now() returns timestamptz language sql as $$ select '2099-01-01'::timestamptz $$`,
		`create function pg_temp.current_setting(text, boolean) returns text language sql as $$ select '*' $$`,
		`create function pg_temp.canonical_args(text, jsonb) returns jsonb language sql as $$ select '{}'::jsonb $$`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, path := range []string{"pg_temp", "pg_temp, halosync, pg_catalog", "pg_temp, pg_catalog", "''"} {
		if _, err := conn.Exec(t.Context(), `set search_path = `+path); err != nil {
			t.Fatal(err)
		}
		var gone int
		if err := conn.QueryRow(t.Context(), `select halosync.forget_events('acme', '0', 10)`).Scan(&gone); err != nil || gone != 0 {
			t.Errorf("search_path %s: %d events deleted, %v", path, gone, err)
		}
		for args, want := range map[string]string{`{"all": true}`: "does not exist", `{}`: "want one of all, search and client_ids"} {
			_, err := conn.Exec(t.Context(), `select halosync.enqueue('import', 'acme', '00000000-0000-0000-0000-000000000001', $1::pg_catalog.jsonb, 'x')`, args)
			if code(err) != "22023" || !strings.Contains(err.Error(), want) {
				t.Errorf("search_path %s: %s: %v", path, args, err)
			}
		}
		if _, err := conn.Exec(t.Context(), `select halosync.enqueue('import', 'acme', $1, '{"all": true}', 'x')`, w.conn); err != nil {
			t.Errorf("search_path %s: %v", path, err)
		}
		if _, err := conn.Exec(t.Context(), `select halosync.tell_queued()`); code(err) != "42501" {
			t.Errorf("search_path %s: tell_queued: %v", path, err)
		}
	}
	equal(t, "runs", repotest.Value[int](t, w.url, `select count(*) from halosync.runs`), 1)
}

// The role of the CLI has the rights for everything that commands do, including operations
// that TestLeastRights does not execute.
func TestRightsOfTheCLI(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	cli := repotest.OpenAs(t, repotest.CLI(t, w.url))
	ctx, held := t.Context(), w.claim(t, "held")
	if err := w.FinishRun(ctx, held.Ref, repo.Finish{State: repo.StateHeld, Error: "many are missing"}); err != nil {
		t.Fatal(err)
	}
	run, _, err := cli.CreateRun(ctx, w.newRun("requested"))
	if err != nil {
		t.Fatal(err)
	}
	conn := must[repo.Connection](t)(cli.AddConnection(ctx, "acme", "cli:ann", newConnection("second")))
	name := "renamed"
	for what, do := range map[string]func() error{
		"cancel":  func() error { _, err := cli.RequestCancel(ctx, "acme", run.ID, "cli:ann"); return err },
		"approve": func() error { _, err := cli.ApproveRun(ctx, "acme", held.Run.ID, "cli:ann"); return err },
		"pause":   func() error { return cli.SetConnectionState(ctx, "acme", "cli:ann", w.conn, repo.Paused, "for now") },
		"update": func() error {
			_, err := cli.UpdateConnection(ctx, "acme", "cli:ann", conn.ID, repo.ConnectionChange{Name: &name})
			return err
		},
		"preview of a removal": func() error { _, err := cli.PreviewRemoval(ctx, "acme", w.conn); return err },
		"show":                 func() error { _, err := cli.Run(ctx, "acme", run.ID); return err },
		"lists": func() error {
			_, err := cli.Runs(ctx, "acme", repo.RunFilter{})
			_, err2 := cli.Mappings(ctx, "acme", repo.MappingFilter{})
			_, err3 := cli.Companies(ctx, "acme", repo.CompanyFilter{})
			return errors.Join(err, err2, err3)
		},
		"key uses":     func() error { _, err := cli.KeyUses(ctx); return err },
		"reseal":       func() error { _, err := cli.ResealSecrets(ctx, repo.ResealCursor{}, 10); return err },
		"installation": func() error { _, err := cli.Installation(ctx); return err },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := cli.RemoveConnection(ctx, "acme", "cli:ann", conn.ID); err != nil {
		t.Error(err)
	}
	equal(t, "events of the CLI", repotest.Value[[]string](t, w.url, `
		select array_agg(action order by action) from halosync.events where written_by = 'halosync_cli'`),
		[]string{"connection.added", "connection.changed", "connection.paused", "connection.removed", "run.approved", "run.cancelled"})
}
