package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/secret"
)

const (
	// nightLarge is the number of connections of a large tenant. A tenth of the connections
	// belong to large tenants. Each of the other connections has a tenant of its own.
	nightLarge = 100
	// nightHistory is the number of earlier resyncs per connection.
	nightHistory = 9
)

// nightTenant names the tenant of the nth of n connections.
func nightTenant(nth, n int) string {
	if nth < n/10 {
		return "large-" + strconv.Itoa(nth/nightLarge)
	}
	return "small-" + strconv.Itoa(nth)
}

// simulate starts the simulated Halos.
func (n *night) simulate() error {
	n.halo = halotest.New()
	for i := 0; i < n.connections; i += n.shared {
		t := n.halo.Tenant(n.haloOf(i))
		t.App(appID, appSecret)
		t.Seed(n.clients, uint64(i))
		for _, c := range t.Clients() {
			if !plainName(c.Name) { // halosync would store any other name in another form
				t.Rename(c.ID, "Client "+strconv.FormatInt(c.ID, 10))
			}
		}
	}
	return n.halo.Listen("127.0.0.1:0")
}

// haloOf returns the name of a connection's simulated Halo.
func (n *night) haloOf(connection int) string { return "halo" + strconv.Itoa(connection/n.shared) }

// plainName reports whether halosync stores a name unchanged.
func plainName(name string) bool {
	return name != "" && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r != ' ' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsPunct(r)
		})
}

// seed fills the database with the state ten nights after the connections'
// imports. It seals the credentials with the product's own package, so that the worker can
// decrypt them.
func (n *night) seed(ctx context.Context) error {
	text, err := os.ReadFile(n.keysetFile())
	if err != nil {
		return err
	}
	keys, err := secret.Parse(string(text))
	if err != nil {
		return err
	}
	columns := []string{"id", "tenant", "name", "domain", "auth_server", "halo_tenant", "client_id", "secret_sealed", "clients_pages"}
	_, err = n.conn.CopyFrom(ctx, pgx.Identifier{"halosync", "connections"}, columns, pgx.CopyFromSlice(n.connections, func(i int) ([]any, error) {
		id, tenant := uuid.Must(uuid.NewV7()), nightTenant(i, n.connections)
		sealed, err := keys.Seal(secret.NewString(appSecret), secret.Binding{
			Tenant: tenant, Connection: id.String(), AuthServer: n.halo.AuthServer(), Domain: n.halo.ResourceServer(),
			ClientID: appID, HaloTenant: n.haloOf(i),
		}.ClientSecret()...)
		return []any{
			id, tenant, fmt.Sprint("halo ", i), n.halo.ResourceServer(), n.halo.AuthServer(), n.haloOf(i), appID, sealed,
			pagesOf(n.clients),
		}, err
	}))
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	if err := n.copyHalos(ctx); err != nil {
		return fmt.Errorf("clients of the simulated Halos: %w", err)
	}
	for _, sql := range append(strings.Split(fmt.Sprintf(nightSQL, nightHistory, n.clients), ";"), "vacuum (analyze)", "checkpoint") {
		if _, err := n.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("seed: %w: %s", err, strings.TrimSpace(sql))
		}
	}
	return nil
}

// copyHalos copies the simulator's clients into the temporary table named
// shown.
func (n *night) copyHalos(ctx context.Context) error {
	if _, err := n.conn.Exec(ctx, `create temp table shown (halo text, id bigint, name text, inactive boolean, top_id bigint, top_name text)`); err != nil {
		return err
	}
	var rows [][]any
	for i := 0; i < n.connections; i += n.shared {
		for _, c := range n.halo.Tenant(n.haloOf(i)).Clients() {
			var top, topName any
			if c.TopLevelID != 0 {
				top, topName = c.TopLevelID, c.TopLevelName
			}
			rows = append(rows, []any{n.haloOf(i), c.ID, c.Name, c.Inactive, top, topName})
		}
	}
	_, err := n.conn.CopyFrom(ctx, pgx.Identifier{"shown"}, []string{"halo", "id", "name", "inactive", "top_id", "top_name"}, pgx.CopyFromRows(rows))
	return err
}

// nightSQL creates all other rows. Ids ascend, as in the product. The foreign
// keys hold by construction and are not checked. One connection in ten gets the
// events of its import, which is enough to measure their size.
const nightSQL = `
set session_replication_role = replica;
create temp table pair as
	select row_number() over () as n, c.tenant, c.id as connection, c.halo_tenant, s.*
	from (select * from halosync.connections order by id) c join shown s on s.halo = c.halo_tenant;
insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
	select tenant, connection, id, name, inactive, top_id, top_name from pair order by n;
insert into halosync.companies (tenant, id, name, norm_name)
	select tenant, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, name, lower(name) from pair order by n;
create temp table past as
	select gen_random_uuid() as id, tenant, c.id as connection, nth, now() - make_interval(days => %d - nth) as at
	from halosync.connections c, generate_series(0, %[1]d) nth;
insert into halosync.mappings
	(tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state, last_verified_at, mapped_at, run_id)
	select p.tenant, ('01900001-0000-7000-8000-' || lpad(to_hex(p.n), 12, '0'))::uuid, p.connection,
		('01900000-0000-7000-8000-' || lpad(to_hex(p.n), 12, '0'))::uuid, p.id, p.name, p.inactive, 'import',
		case when p.inactive then 'inactive' else 'ok' end, r.at, r.at, r.id
	from pair p join past r on r.connection = p.connection and r.nth = 0 order by p.n;
insert into halosync.events (tenant, actor, action, how, run_id, connection_id, company_id, mapping_id, client_id, after)
	select p.tenant, 'bench', e.action, 'import: new company', r.id, p.connection,
		('01900000-0000-7000-8000-' || lpad(to_hex(p.n), 12, '0'))::uuid,
		case e.action when 'mapping.created' then ('01900001-0000-7000-8000-' || lpad(to_hex(p.n), 12, '0'))::uuid end,
		case e.action when 'mapping.created' then p.id end,
		case e.action when 'mapping.created' then jsonb_build_object('client_name', p.name, 'client_inactive', p.inactive, 'state', 'ok')
			else jsonb_build_object('name', p.name) end
	from pair p join past r on r.connection = p.connection and r.nth = 0,
		(values ('company.created'), ('mapping.created')) e(action)
	where right(p.halo_tenant, 1) = '0';
insert into halosync.runs (id, tenant, connection_id, kind, args, request_key, requested_by, state, attempt, fence,
		queued_at, started_at, finished_at, dispatched_at, beat_at, pages, passes, records, records_total, complete, unchanged, cursor)
	select id, tenant, connection, case nth when 0 then 'import' else 'resync' end,
		jsonb_build_object('tenant', tenant, 'connection_id', connection, 'scheduled', true, 'requested_by', 'schedule'),
		'halo:resync:' || md5(connection::text), 'schedule', 'succeeded', 1, 1, at, at, at, at, at, 2, 1, %[2]d, %[2]d, true, %[2]d, '{}'
	from past order by at;
set session_replication_role = origin;
drop table pair, past`
