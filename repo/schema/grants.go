package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo/internal/scoped"
)

// rights lists exactly the rights that the programs need on each table. Cascading
// deletes run with the owner's rights, so they need no rights here. Locking a row
// requires the right to update it.
var rights = []struct{ table, verbs string }{
	{"schema_versions", "select"},
	{"schema_floor", "select"},
	{"installation", "select"},
	{"connections", "select, insert, update, delete"},
	{"companies", "select, insert, delete"},
	{"clients", "select, insert, update, delete"},
	{"mappings", "select, insert, update"},
	{"runs", "select, insert, update, delete"},
	{"run_items", "select, insert, delete"},
	{"run_pages", "select, insert, delete"},
	{"run_findings", "select, insert, update, delete"},
	{"events", "select, insert"},
	{"security_events", "select, insert"},
	{"dismissals", "select, insert"},
	{"api_keys", "select, insert, update"},
	{"sessions", "select, insert, update, delete"},
	{"signin_tokens_used", "select, insert, delete"},
	{"answers", "select, insert, update, delete"},
	{"upkeep", "select, update"},
}

// forgetting lists the signatures of the only functions with which the programs' role can
// delete events and security events.
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

// Grant gives a role exactly the rights that the worker and the CLI need, and revokes
// all other rights on tables in the schema. The url must connect as the tables' owner.
// The error is a [*RoleError] if the role does not exist or row level security does not
// apply to it. Grant is safe to repeat, and must be repeated after a migration that
// adds tables. If the role does not have TEMP on the database, Grant grants it, because
// suggestions use temporary tables.
func Grant(ctx context.Context, url, role string) (err error) {
	cfg, err := scoped.ParseConfig(url)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return wrap("grant", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return wrap("grant", pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grant(ctx, tx, role) }))
}

func grant(ctx context.Context, tx pgx.Tx, role string) error {
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
		"grant usage on schema halosync to " + to,
		"grant execute on function " + strings.Join(forgetting, ", ") + " to " + to,
	}
	for _, r := range rights {
		sql = append(sql, fmt.Sprintf("grant %s on halosync.%s to %s", r.verbs, r.table, to))
	}
	if !temp {
		sql = append(sql, fmt.Sprintf("grant temporary on database %s to %s", pgx.Identifier{database}.Sanitize(), to))
	}
	for _, s := range sql {
		if _, err := tx.Exec(ctx, s); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		insert into halosync.security_events (kind, outcome, actor, detail)
		values ('role.granted', 'succeeded', 'postgres:' || session_user, 'rights of the programs to ' || $1::text)`, role)
	return err
}

// Rights returns the rights that [Grant] gives, by table, in the form "select, insert".
func Rights() map[string]string {
	all := make(map[string]string)
	for _, r := range rights {
		all[r.table] = r.verbs
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
	// Missing lists the required rights that the role does not have, for example
	// "select on halosync.runs".
	Missing []string
}

// CheckRole returns what the role of a session may do. It needs a schema that passes
// [Check].
func CheckRole(ctx context.Context, q querier) (Role, error) {
	var tables, verbs []string
	for _, r := range rights {
		for verb := range strings.SplitSeq(r.verbs, ", ") {
			tables, verbs = append(tables, "halosync."+r.table), append(verbs, verb)
		}
	}
	var role Role
	err := q.QueryRow(ctx, `
		select current_user, row_security_active('halosync.mappings'), array(
			select verb || ' on ' || tab from unnest($1::text[], $2::text[]) with ordinality as n(tab, verb, ord)
			where not has_table_privilege(tab, verb) order by ord)
			|| array(select 'execute on ' || f from unnest($3::text[]) f where not has_function_privilege(f, 'execute'))`,
		tables, verbs, forgetting).Scan(&role.Name, &role.RowSecurity, &role.Missing)
	return role, wrap("rights", err)
}
