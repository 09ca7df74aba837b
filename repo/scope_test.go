package repo_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

// tenantTables returns all tables with a tenant, from the database's catalogue.
func tenantTables(t *testing.T, url string) []string {
	t.Helper()
	return repotest.Value[[]string](t, url, `
		select array_agg(c.relname::text order by c.relname) from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relnamespace = 'halosync'::regnamespace and c.relkind = 'r' and a.attname = 'tenant'`)
}

// Every table with a tenant, including tables of later migrations, has row level
// security. The programs' rights on each table are declared, and every right is used.
func TestEveryTableHasRowSecurity(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	equal(t, "tables with a tenant and the policy", repotest.Value[[]string](t, url, `
		select array_agg(c.relname::text order by c.relname) from pg_class c join pg_policy p on p.polrelid = c.oid
		where c.relrowsecurity and p.polname = 'tenant_wall' and p.polcmd = '*' and p.polroles = '{0}'`), tenantTables(t, url))
	var tables []string
	rights := make(map[string]string)
	for table, used := range statements(t) {
		tables = append(tables, table)
		var granted []string
		for verb := range strings.SplitSeq(used, ", ") {
			if strings.Contains(plainVerbs(schema.Rights(schema.Worker)[table]+", "+schema.Rights(schema.CLI)[table]), verb) {
				granted = append(granted, verb)
			}
		}
		rights[table] = strings.Join(granted, ", ")
	}
	slices.Sort(tables)
	equal(t, "tables with statements", tables, repotest.Value[[]string](t, url, `
		select array_agg(tablename::text order by tablename) from pg_tables where schemaname = 'halosync'`))
	equal(t, "rights", rights, statements(t))
	for _, program := range []schema.Program{schema.Worker, schema.CLI} {
		for table, list := range schema.Rights(program) {
			for verb := range strings.SplitSeq(plainVerbs(list), ", ") {
				if !strings.Contains(rights[table], verb) {
					t.Errorf("%s may %s %s, which no statement does", program, verb, table)
				}
			}
		}
	}
}

// statements returns the verbs of all statements in the package's own files, by table.
func statements(t *testing.T) map[string]string {
	t.Helper()
	files := must[[]string](t)(filepath.Glob("*.go"))
	used := make(map[string]map[string]bool)
	note := func(table, verb string) {
		if used[table] == nil {
			used[table] = map[string]bool{"select": true} // every WHERE reads
		}
		used[table][verb] = true
	}
	verbs := map[string]*regexp.Regexp{
		"select": regexp.MustCompile(`(?:from|join) halosync\.([a-z_]+)`),
		"insert": regexp.MustCompile(`insert into halosync\.([a-z_]+)`),
		"update": regexp.MustCompile(`update halosync\.([a-z_]+)|insert into halosync\.([a-z_]+)[^` + "`" + `]* do update`),
		"delete": regexp.MustCompile(`delete from halosync\.([a-z_]+)`),
	}
	for _, name := range append(files, "schema/schema.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text := string(must[[]byte](t)(os.ReadFile(name)))
		if name == "schema/schema.go" {
			text = text[strings.Index(text, "\nfunc "):] // skips createFloor and raiseFloor, which only a migration runs
		}
		for verb, re := range verbs {
			for _, match := range re.FindAllStringSubmatch(text, -1) {
				note(strings.Join(match[1:], ""), verb)
			}
		}
		for _, match := range regexp.MustCompile(`table := range \[\]string\{([^}]*)\}`).FindAllStringSubmatch(text, -1) { // clean-up of a run
			for _, table := range strings.Split(match[1], ",") {
				note(strings.Trim(table, `" `), "delete")
			}
		}
	}
	all := make(map[string]string)
	for table, by := range used {
		var list []string
		for _, verb := range []string{"select", "insert", "update", "delete"} {
			if by[verb] {
				list = append(list, verb)
			}
		}
		all[table] = strings.Join(list, ", ")
	}
	return all
}

// fill adds a row of a tenant to every table.
func fill(t *testing.T, url, tenant string, conn uuid.UUID) {
	t.Helper()
	for _, sql := range []string{
		`insert into halosync.companies (tenant, id, name, norm_name) values ($1, $2, 'n', 'n')`,
		`insert into halosync.clients (tenant, connection_id, client_id, name, inactive) values ($1, $2, 1, 'n', false)`,
		`insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
			values ($1, $2, $2, $2, 1, 'n', false, 'map', 'ok')`,
		`insert into halosync.runs (id, tenant, connection_id, kind, request_key) values ($2, $1, $2, 'import', 'k')`,
		`insert into halosync.run_items (tenant, run_id, seq, outcome) values ($1, $2, 1, 'skipped')`,
		`insert into halosync.run_pages (tenant, run_id, pass, page, client_ids) values ($1, $2, 0, 0, '{1}')`,
		`insert into halosync.run_findings (tenant, run_id, client_id, outcome) values ($1, $2, 1, 'seen')`,
		`insert into halosync.dismissals (tenant, connection_id, company_id, client_id, dismissed_by) values ($1, $2, $2, 1, 'ann')`,
		`insert into halosync.suggestion_lists (tenant, connection_id, run_id) values ($1, $2, $2)`,
		`insert into halosync.suggestions (tenant, connection_id, position, company_id, client_id, client_name, score, reason, ambiguous)
			values ($1, $2, 1, $2, 1, 'n', 90, '', false)`,
		`insert into halosync.events (tenant, actor, action, run_id) values ($1, 'ann', 'test', $2)`,
		`insert into halosync.security_events (tenant, kind, outcome, actor) values ($1, 'signin', 'succeeded', $2::uuid::text)`,
		`insert into halosync.api_keys (tenant, id, name, scope, hash, created_by) values ($1, $2, 'n', 'read', sha256($1::text::bytea), 'ann')`,
		`insert into halosync.sessions (tenant, hash, actor, scope, api_key_id, expires_at) values ($1, sha256($1::text::bytea), 'ann', 'read', $2, now() + interval '1 hour')`,
		`insert into halosync.signin_tokens_used (tenant, hash, expires_at) values ($1, sha256($2::text::bytea), now())`,
		`insert into halosync.answers (tenant, key, owner, print) values ($1, 'k', $2, '')`,
	} {
		repotest.Exec(t, url, sql, tenant, conn)
	}
}

// The test runs raw SQL without a condition on the tenant, under a role with all rights
// on every table. A session of one tenant cannot read, add, change, take over or delete
// another tenant's rows.
func TestRowSecurityMatrix(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	eve := join(t, w.Store, w.url, "globex", "main")
	fill(t, w.url, "acme", w.conn)
	fill(t, w.url, "globex", eve.conn)
	repotest.Exec(t, w.url, `grant all on all tables in schema halosync to halosync_worker`)
	conn := must[*pgx.Conn](t)(pgx.Connect(t.Context(), repotest.Worker(t, w.url)))
	defer func() { _ = conn.Close(context.Background()) }()

	try := func(setting, sql string, args ...any) (int64, error) {
		tx := must[pgx.Tx](t)(conn.Begin(t.Context()))
		defer func() { _ = tx.Rollback(t.Context()) }() // discards all changes
		if setting != "unset" {
			if _, err := tx.Exec(t.Context(), `select set_config('halosync.tenant', $1, true)`, setting); err != nil {
				t.Fatal(err)
			}
		}
		tag, err := tx.Exec(t.Context(), sql, args...)
		return tag.RowsAffected(), err
	}
	refused := func(err error, code string) bool {
		var pg *pgconn.PgError
		return errors.As(err, &pg) && pg.Code == code
	}
	tables := tenantTables(t, w.url)
	// A session that has never set the tenant does not belong to halosync. This check
	// must come first, because afterwards the setting is empty, not unset.
	for _, table := range tables {
		if n, err := try("unset", `select from halosync.`+table); err != nil || n < 2 {
			t.Errorf("%s, for a session of another program: %d rows, %v", table, n, err)
		}
	}
	tried, leaks := 0, 0
	for _, table := range tables {
		columns := repotest.Value[string](t, w.url, `
			select string_agg(quote_ident(attname), ', ') from pg_attribute
			where attrelid = ('halosync.' || $1)::regclass and attnum > 0 and not attisdropped and attgenerated = ''`, table)
		row := repotest.Value[string](t, w.url, fmt.Sprintf(`select to_jsonb(t)::text from halosync.%s t where tenant = 'acme' limit 1`, table))
		ours := repotest.Value[int64](t, w.url, fmt.Sprintf(`select count(*) from halosync.%s where tenant = 'globex'`, table))
		const wall, appendOnly = "42501", "55000"
		for verb, c := range map[string]struct {
			sql  string
			rows int64  // its own rows, which it may change
			code string // error code of a possible refusal
		}{
			"select":        {`select from halosync.` + table, ours, ""},
			"select theirs": {`select from halosync.` + table + ` where tenant = 'acme'`, 0, ""},
			"insert":        {fmt.Sprintf(`insert into halosync.%[1]s (%[2]s) overriding system value select %[2]s from jsonb_populate_record(null::halosync.%[1]s, '%[3]s')`, table, columns, strings.ReplaceAll(row, "'", "''")), 0, wall},
			"update theirs": {`update halosync.` + table + ` set tenant = tenant where tenant = 'acme'`, 0, appendOnly},
			"take over":     {`update halosync.` + table + ` set tenant = 'globex' where tenant = 'acme'`, 0, appendOnly},
			"give away":     {`update halosync.` + table + ` set tenant = 'acme' where tenant = 'globex'`, 0, wall},
			"delete theirs": {`delete from halosync.` + table + ` where tenant = 'acme'`, 0, appendOnly},
			"lock theirs":   {`select from halosync.` + table + ` where tenant = 'acme' for update`, 0, ""},
			"by a copy":     {`copy (select * from halosync.` + table + ` where tenant = 'acme') to stdout`, 0, ""},
		} {
			tried++
			if verb == "give away" && (table == "events" || table == "security_events") {
				c.code = appendOnly
			}
			if n, err := try("globex", c.sql); n > c.rows || err != nil && !refused(err, c.code) || err == nil && c.code == wall {
				leaks++
				t.Errorf("%s, %s: %d rows, %v", table, verb, n, err)
			}
		}
		for _, setting := range []string{"", "nobody", "acme' or true --", "%"} {
			tried++
			if n, err := try(setting, `select from halosync.`+table); err != nil || n != 0 {
				leaks++
				t.Errorf("%s, as tenant %q: %d rows, %v", table, setting, n, err)
			}
		}
		if n, err := try("*", `select from halosync.`+table); err != nil || n < 2 {
			t.Errorf("%s, for all: %d rows, %v", table, n, err)
		}
	}
	t.Logf("%d tables, %d statements tried, leaks %d", len(tables), tried, leaks)
}

// A scope whose name would mean all tenants, or that Postgres would refuse to set, sees no
// rows. Rows that it adds are refused.
func TestInvalidTenants(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, name := range []string{"*", "", "\xff", "a\x00b"} {
		if list, err := w.Connections(t.Context(), name); len(list) > 0 {
			t.Errorf("tenant %q: %d connections, %v", name, len(list), err)
		}
		if _, err := w.AddCompanies(t.Context(), name, "eve", []repo.NewCompany{{Name: "x", NormName: "x"}}); err == nil {
			t.Errorf("tenant %q: a company was added", name)
		}
	}
	odd := `o'Neill\ "& Söhne" `
	must[[]repo.Company](t)(w.AddCompanies(t.Context(), odd, "ann", []repo.NewCompany{{Name: "x", NormName: "x"}}))
	equal(t, "companies of an odd tenant", len(must[[]repo.Company](t)(w.Companies(t.Context(), odd, repo.CompanyFilter{}))), 1)
}

// A session of the store without a tenant sees no rows, even after a session that named
// one.
func TestSessionsSeeNoTenant(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	n, err := repo.RawCount(t.Context(), w.Store, `select count(*) from halosync.connections`)
	if err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// A role that may read the view run_reasons but not the tables sees the reasons of the
// tenant that it names, but no settled items.
func TestReasonsAreBehindTheWall(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	eve := join(t, w.Store, w.url, "globex", "main")
	fill(t, w.url, "acme", w.conn)
	fill(t, w.url, "globex", eve.conn)
	repotest.Exec(t, w.url, `insert into halosync.run_items (tenant, run_id, seq, outcome, settled) values ('acme', $1, 2, 'mapped', true)`, w.conn)
	repotest.Exec(t, w.url, `revoke all on all tables in schema halosync from halosync_worker`)
	repotest.Exec(t, w.url, `grant select on halosync.run_reasons to halosync_worker`)
	conn := must[*pgx.Conn](t)(pgx.Connect(t.Context(), repotest.Worker(t, w.url)))
	defer func() { _ = conn.Close(context.Background()) }()
	const list = `select coalesce(string_agg(tenant || ' ' || outcome, ', ' order by tenant), '') from halosync.run_reasons`
	read := func() (got string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), list).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	equal(t, "a session of another program", read(), "acme skipped, globex skipped")
	for setting, want := range map[string]string{"acme": "acme skipped", "globex": "globex skipped", "": "", "nobody": "", "*": "acme skipped, globex skipped"} {
		if _, err := conn.Exec(t.Context(), `select set_config('halosync.tenant', $1, false)`, setting); err != nil {
			t.Fatal(err)
		}
		equal(t, "as tenant "+setting, read(), want)
	}
	for sql, code := range map[string]string{
		`select * from halosync.run_items`: "42501", `delete from halosync.run_reasons`: "55000", `update halosync.run_reasons set reason = ''`: "55000",
	} {
		if err := tryExec(t, repotest.Worker(t, w.url), sql); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
