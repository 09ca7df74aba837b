package schema

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo/internal/scoped"
)

// Program is a program for which [Grant] grants rights.
type Program string

// The programs. Each has a role of its own, so that an attacker who controls one of them
// does not get the rights of the other.
const (
	Worker Program = "worker" // also serves the console and the API
	CLI    Program = "cli"
)

// eventRight is the right to write events. The database sets the columns that are not
// listed: the id, the time and the role.
const eventRight = "insert (tenant, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, before, after)"

// securityEventRight is the right to write security events; see eventRight.
const securityEventRight = "insert (tenant, kind, outcome, actor, address, user_agent, detail, count)"

// rights lists exactly the rights that each program needs on each table. Cascading
// deletes run with the owner's rights, so they need no rights here. Locking a row
// requires the right to update one of its columns.
var rights = []tableRights{
	{"schema_versions", "select", "select"},
	{"schema_floor", "select", "select"},
	{"installation", "select", "select"},
	{"connections", "select, insert, update, delete", "select, insert, update, delete"},
	{"companies", "select, insert, delete", "select, insert, delete"},
	{"clients", "select, insert, update, delete", "select"},
	{"mappings", "select, insert, update", "select, update"},
	{"runs", "select, insert, update, delete", "select, insert, update"},
	{"run_items", "select, insert, delete", "select, delete"},
	{"run_pages", "select, insert, delete", "select, delete"},
	{"run_findings", "select, insert, update, delete", "select, delete"},
	{"events", "select, " + eventRight, "select, " + eventRight},
	{"security_events", "select, " + securityEventRight, "select, " + securityEventRight},
	{"dismissals", "select, insert", "select, insert"},
	{"suggestion_lists", "select, insert, update", "select"},
	{"suggestions", "select, insert, delete", "select"},
	{"api_keys", "select, update (last_used_at)", "select, insert (tenant, id, name, scope, hash, created_by, expires_at), update (revoked_at)"},
	{"sessions", "select, insert, update, delete", "select, delete"},
	{"signin_tokens_used", "select, insert, delete", ""},
	{"answers", "select, insert, update, delete", ""},
	{"upkeep", "select, update", ""},
}

type tableRights struct{ table, worker, cli string }

// of returns the rights of a program; "" if it needs none.
func (r tableRights) of(program Program) string {
	if program == CLI {
		return r.cli
	}
	return r.worker
}

// right is one right on a table. If columns is empty, it covers all columns.
type right struct{ verb, columns string }

var oneRight = regexp.MustCompile(`(\w+)(?: \(([^)]*)\))?`)

// splitRights splits a list such as "select, update (revoked_at)".
func splitRights(list string) (parsed []right) {
	for _, m := range oneRight.FindAllStringSubmatch(list, -1) {
		parsed = append(parsed, right{m[1], m[2]})
	}
	return parsed
}

// forgetting lists the signatures of the only functions with which a program's role can
// delete events and security events. Only workers need it.
var forgetting = []string{
	"halosync.forget_events(text, interval, integer)",
	"halosync.forget_security_events(interval, integer)",
}

// RoleError reports a role to which [Grant] grants no rights.
type RoleError struct {
	Role   string
	Reason string // e.g. "does not exist: create role … login"
}

func (e *RoleError) Error() string { return fmt.Sprintf("role %q %s", e.Role, e.Reason) }

// Grant gives a role exactly the rights that a program needs, and revokes all other
// rights on tables in the schema. The url must connect as the tables' owner. The error is
// a [*RoleError] if the role does not exist or row level security does not apply to it.
// Grant is safe to repeat, and must be repeated after a migration that adds tables. If the
// worker's role does not have TEMP on the database, Grant grants it, because suggestions use
// temporary tables.
func Grant(ctx context.Context, url, role string, program Program) (err error) {
	cfg, err := scoped.ParseConfig(url)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return wrap("grant", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return wrap("grant", pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grant(ctx, tx, role, program) }))
}

func grant(ctx context.Context, tx pgx.Tx, role string, program Program) error {
	var database string
	var owns, temp bool
	err := tx.QueryRow(ctx, `
		select current_database(), r.rolsuper or r.rolbypassrls or pg_has_role(r.oid, c.relowner, 'member'),
			has_database_privilege(r.oid, current_database(), 'temp')
		from pg_roles r, pg_class c where r.rolname = $1 and c.oid = 'halosync.mappings'::regclass`, role).Scan(&database, &owns, &temp)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return &RoleError{Role: role, Reason: "does not exist: create role … login"}
	case err != nil:
		return err
	case owns:
		return &RoleError{Role: role, Reason: "is a superuser, bypasses row level security or can act as the tables' owner: use a weaker one"}
	}
	to := pgx.Identifier{role}.Sanitize()
	sql := []string{
		"revoke all on all tables in schema halosync from " + to,
		"revoke all on function " + strings.Join(forgetting, ", ") + " from " + to,
		"grant usage on schema halosync to " + to,
	}
	if program == Worker {
		sql = append(sql, "grant execute on function "+strings.Join(forgetting, ", ")+" to "+to)
	}
	for _, r := range rights {
		if list := r.of(program); list != "" {
			sql = append(sql, fmt.Sprintf("grant %s on halosync.%s to %s", list, r.table, to))
		}
	}
	if program == Worker && !temp {
		sql = append(sql, fmt.Sprintf("grant temporary on database %s to %s", pgx.Identifier{database}.Sanitize(), to))
	}
	for _, s := range sql {
		if _, err := tx.Exec(ctx, s); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		insert into halosync.security_events (kind, outcome, actor, detail)
		values ('role.granted', 'succeeded', 'postgres:' || session_user, 'rights of the ' || $2::text || ' to ' || $1::text)`, role, string(program))
	return err
}

// Rights returns the rights that [Grant] gives for a program, by table, in the form
// "select, update (revoked_at)".
func Rights(program Program) map[string]string {
	all := make(map[string]string)
	for _, r := range rights {
		if list := r.of(program); list != "" {
			all[r.table] = list
		}
	}
	return all
}

// Role describes what the role of a session may do.
type Role struct {
	// Name is the name of the session's role.
	Name string
	// RowSecurity reports whether row level security applies to the role. It does not
	// apply to the tables' owner, a superuser, or a role with BYPASSRLS.
	RowSecurity bool
	// Missing lists the rights that a worker requires and the role does not have, for
	// example "select on halosync.runs".
	Missing []string
	// Excess lists the rights to change tables that the role has and a worker does not
	// need. It is empty if RowSecurity is false.
	Excess []string
}

// changes lists the rights to change a table.
var changes = []string{"insert", "update", "delete", "truncate", "references", "trigger"}

// CheckRole returns what the role of a session may do, compared with the rights of a
// worker. It needs a schema that passes [Check].
func CheckRole(ctx context.Context, q querier) (Role, error) {
	var needed, other struct{ tables, verbs, columns []string }
	for _, r := range rights {
		whole := make(map[string]bool) // verbs for all columns
		for _, n := range splitRights(r.of(Worker)) {
			whole[n.verb] = n.columns == ""
			needed.tables = append(needed.tables, "halosync."+r.table)
			needed.verbs = append(needed.verbs, n.verb)
			needed.columns = append(needed.columns, n.columns)
		}
		for _, verb := range changes {
			if !whole[verb] {
				other.tables = append(other.tables, "halosync."+r.table)
				other.verbs = append(other.verbs, verb)
			}
		}
	}
	var role Role
	err := q.QueryRow(ctx, `
		select current_user, row_security_active('halosync.mappings'),
			array(
				select verb || ' on ' || tab from unnest($1::text[], $2::text[], $3::text[]) with ordinality as n(tab, verb, columns, ord)
				where not case columns when '' then has_table_privilege(tab, verb)
					else (select bool_and(has_column_privilege(tab, c, verb)) from unnest(string_to_array(columns, ', ')) c) end
				order by ord)
				|| array(select 'execute on ' || f from unnest($4::text[]) f where not has_function_privilege(f, 'execute')),
			array(
				select verb || ' on ' || tab from unnest($5::text[], $6::text[]) with ordinality as n(tab, verb, ord)
				where row_security_active('halosync.mappings') and has_table_privilege(tab, verb) order by ord)`,
		needed.tables, needed.verbs, needed.columns, forgetting, other.tables, other.verbs).
		Scan(&role.Name, &role.RowSecurity, &role.Missing, &role.Excess)
	return role, wrap("rights", err)
}
