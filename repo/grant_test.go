package repo_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

// Grant sets exactly the declared rights, whatever rights the role had before. It refuses
// a role to which row level security does not apply. CheckRole lists missing rights and
// rights that a worker does not need.
func TestGrant(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	equal(t, "role", must[repo.Role](t)(w.Role(t.Context())), repo.Role{Name: "halosync_worker", RowSecurity: true, Missing: []string{}, Excess: []string{}})
	owner := must[repo.Role](t)(repotest.OpenAs(t, w.url).Role(t.Context()))
	equal(t, "owner", []any{owner.RowSecurity, owner.Excess}, []any{false, []string{}})
	repotest.Exec(t, w.url, `revoke update on halosync.runs from halosync_worker`)
	repotest.Exec(t, w.url, `revoke insert (how) on halosync.events from halosync_worker`)
	repotest.Exec(t, w.url, `grant truncate, trigger on halosync.events to halosync_worker`)
	repotest.Exec(t, w.url, `grant update on halosync.api_keys to halosync_worker`)
	repotest.Exec(t, w.url, `grant insert (at), update (actor) on halosync.events to halosync_cli`)
	repotest.Exec(t, w.url, `grant execute on function halosync.forget_events to halosync_cli`)
	role := must[repo.Role](t)(w.Role(t.Context()))
	equal(t, "missing", role.Missing, []string{"update on halosync.runs", "insert on halosync.events"})
	equal(t, "excess", role.Excess, []string{"truncate on halosync.events", "trigger on halosync.events", "update on halosync.api_keys"})
	for program, name := range map[schema.Program]string{schema.Worker: "halosync_worker", schema.CLI: "halosync_cli"} {
		for range 2 {
			if err := schema.Grant(t.Context(), w.url, name, program); err != nil {
				t.Fatal(err)
			}
		}
		for _, table := range repotest.Value[[]string](t, w.url, `select array_agg(relname::text) from pg_class where relnamespace = 'halosync'::regnamespace and relkind in ('r', 'v')`) {
			got := repotest.Value[string](t, w.url, `
				select coalesce(string_agg(verb, ', ' order by array_position('{select,insert,update,delete}', substring(verb from '\w+'))), '') from (
					select lower(privilege_type) as verb
					from aclexplode((select relacl from pg_class where oid = ('halosync.' || $1)::regclass)) where grantee = $2::regrole
					union all
					select lower(privilege_type) || ' (' || string_agg(attname, ', ' order by attnum) || ')'
					from pg_attribute, aclexplode(attacl) where attrelid = ('halosync.' || $1)::regclass and grantee = $2::regrole group by privilege_type) x`, table, name)
			equal(t, name+"'s rights on "+table, sortedColumns(got), sortedColumns(schema.Rights(program)[table]))
		}
		equal(t, name+"'s right to delete events", repotest.Value[bool](t, w.url,
			`select has_function_privilege($1, 'halosync.forget_events(text, interval, integer)', 'execute')`, name), program == schema.Worker)
	}
	for role, want := range map[string]string{"no such role": "does not exist", "postgres": "use a weaker one"} {
		if err := schema.Grant(t.Context(), w.url, role, schema.Worker); !errors.As(err, new(*schema.RoleError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("grant to %s: %v", role, err)
		}
	}
	for _, sql := range []string{
		`create table halosync.x ()`, `alter table halosync.runs add column x int`, `truncate halosync.runs`,
		`drop policy tenant_wall on halosync.runs`, `alter table halosync.runs disable row level security`,
		`select * from halosync.current_mappings`, `delete from halosync.events`, `update halosync.companies set name = 'x'`,
		`select halosync.enqueue('import', 'acme', null, '{}', '')`,
	} {
		for program, url := range programURLs(t, w.url) {
			if err := tryExec(t, url, sql); err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("%s: %s: %v", program, sql, err)
			}
		}
	}
	// These statements need rights that only workers have.
	for _, sql := range []string{
		`select from halosync.answers`, `select from halosync.signin_tokens_used`, `select from halosync.upkeep`,
		`insert into halosync.sessions (tenant, hash, actor, scope, expires_at) values ('acme', '', 'user:eve', 'admin', now())`,
		`update halosync.sessions set scope = 'admin'`, `delete from halosync.runs`, `insert into halosync.run_findings default values`,
		`update halosync.clients set name = 'x'`, `insert into halosync.mappings default values`, `update halosync.api_keys set last_used_at = now()`,
		`select halosync.forget_events('acme', '1 year', 10)`,
	} {
		if err := tryExec(t, repotest.CLI(t, w.url), sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("the CLI: %s: %v", sql, err)
		}
	}
}

// sortedColumns sorts the columns in a list of rights.
func sortedColumns(list string) string {
	return regexp.MustCompile(`\([^)]*\)`).ReplaceAllStringFunc(list, func(columns string) string {
		names := strings.Split(strings.Trim(columns, "()"), ", ")
		slices.Sort(names)
		return "(" + strings.Join(names, ", ") + ")"
	})
}

// plainVerbs removes the columns from a list of rights.
func plainVerbs(list string) string {
	return regexp.MustCompile(` \([^)]*\)`).ReplaceAllString(list, "")
}
