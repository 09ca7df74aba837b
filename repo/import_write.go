package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// Only rows that differ are inserted, because "on conflict" locks, and therefore
	// writes, even a row that its WHERE clause skips. n holds the clients. An unchanged
	// row is written once in 30 days, to record that the client still exists.
	upsertNSQL = `
		insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
		select $1, $2, n.client_id, n.name, n.inactive, nullif(n.top_id, 0), nullif(n.top_name, '')
		from n left join lateral (
			select * from halosync.clients c
			where c.tenant = $1 and c.connection_id = $2 and c.client_id = n.client_id limit 1) c on true
		where c.client_id is null or c.seen_at < now() - interval '30 days'
			or (c.name, c.inactive, coalesce(c.toplevel_id, 0), coalesce(c.toplevel_name, '')) is distinct from (n.name, n.inactive, n.top_id, n.top_name)
		order by n.client_id
		on conflict (connection_id, client_id) do update
		set name = excluded.name, inactive = excluded.inactive, toplevel_id = excluded.toplevel_id,
			toplevel_name = excluded.toplevel_name, seen_at = now(),
			changed_at = case when (clients.name, clients.inactive, clients.toplevel_id, clients.toplevel_name)
				is distinct from (excluded.name, excluded.inactive, excluded.toplevel_id, excluded.toplevel_name)
				then now() else clients.changed_at end`

	upsertClientsSQL = `
		with n as (
			select * from unnest($3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[])
				as n(client_id, name, inactive, top_id, top_name))` + upsertNSQL

	// One statement writes all new rows, so that each name is sent and parsed once. A
	// client without a new mapping has a null mapping id. A client without a new
	// company has an empty norm.
	addMappingsSQL = `
		with n as materialized (
			select *, norm <> '' as creates, mapping_id is not null as maps
			from unnest($3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[], $10::uuid[], $11::uuid[], $12::text[])
				as n(client_id, name, inactive, top_id, top_name, mapping_id, company_id, norm)),
		catalogue as (` + upsertNSQL + `),
		companies as (
			insert into halosync.companies (tenant, id, name, norm_name)
			select $1, company_id, name, norm from n where creates),
		mappings as (
			insert into halosync.mappings
				(tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state, last_verified_at, run_id)
			select $1, mapping_id, $2, company_id, client_id, name, inactive, 'import', case when inactive then 'inactive' else 'ok' end, now(), $8
			from n where maps)
		insert into halosync.events (tenant, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, after)
		select $1, $9, action, how, $8, $2, e.mapping_id, company_id, e.client_id, after
		from (
			select 'company.created' as action, 'import' as how, null::uuid as mapping_id, company_id, null::bigint as client_id,
				jsonb_build_object('name', name) as after
			from n where creates
			union all
			select 'mapping.created', case when creates then 'import: new company' else 'import: same name' end, mapping_id, company_id, client_id,
				jsonb_build_object('client_name', name, 'client_inactive', inactive, 'state', case when inactive then 'inactive' else 'ok' end)
			from n where maps) e`

	refreshMappingsSQL = `
		with now_in_halo as (
			select n.client_id, n.name, n.inactive, case when n.inactive then 'inactive' else 'ok' end as state
			from unnest($5::bigint[], $6::text[], $7::boolean[]) as n(client_id, name, inactive)),
		before as (
			select m.tenant, m.id, m.company_id, m.client_id, m.client_name, m.client_inactive, m.state, m.state_reason,
				n.name as new_name, n.inactive as new_inactive, n.state as new_state
			from now_in_halo n
			cross join lateral (
				select * from halosync.mappings m
				where m.tenant is not distinct from $1 and m.connection_id = $2 and m.client_id = n.client_id and m.deleted_at is null limit 1) m
			where (m.client_name, m.client_inactive, m.state, m.state_reason) is distinct from (n.name, n.inactive, n.state, '')),
		changed as (
			update halosync.mappings m
			set client_name = b.new_name, client_inactive = b.new_inactive, state = b.new_state, state_reason = '', last_verified_at = now(), vanished_at = null
			from before b where m.tenant = b.tenant and m.id = b.id)
		insert into halosync.events (tenant, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, before, after)
		select $1, $4, 'mapping.refreshed', $8, $3, $2, b.id, b.company_id, b.client_id,
			jsonb_build_object('client_name', b.client_name, 'client_inactive', b.client_inactive, 'state', b.state, 'state_reason', b.state_reason),
			jsonb_build_object('client_name', b.new_name, 'client_inactive', b.new_inactive, 'state', b.new_state)
		from before b order by b.id`

	addItemsSQL = `
		insert into halosync.run_items (tenant, run_id, seq, client_id, company_id, outcome, reason)
		select $1, $2, last.seq + n.ord, nullif(n.client_id, 0), n.company_id, n.outcome, n.reason
		from (select coalesce(max(seq), 0) as seq from halosync.run_items where tenant = $1 and run_id = $2) last,
			unnest($3::bigint[], $4::uuid[], $5::text[], $6::text[]) with ordinality as n(client_id, company_id, outcome, reason, ord)
		where last.seq + n.ord <= $7`

	addPageSQL = `
		insert into halosync.run_pages (tenant, run_id, pass, page, client_ids)
		select tenant, id, $3, $4, $5 from halosync.runs where tenant = $1 and id = $2`

	advanceRunSQL = `
		update halosync.runs set
			pages = pages + $15, beat_at = now(), deaths = 0, passes = greatest(passes, $4), records = records + $5,
			records_total = case when $6 > 0 then $6 else records_total end,
			cursor = coalesce($7::jsonb, cursor),
			created = created + $8, linked = linked + $9, refreshed = refreshed + $10, unchanged = unchanged + $11,
			ambiguous = ambiguous + $12, skipped = skipped + $13, failed = failed + $14
		where tenant = $1 and id = $2 and fence = $3`
)

// send does the second round trip: the writes and the commit. It leaves out statements
// that have no rows.
func (w *batchWrite) send(ctx context.Context, conn *pgxpool.Conn, ref RunRef, actor string) error {
	b := &pgx.Batch{}
	if !w.page.DryRun {
		w.queueRows(b, ref, actor)
	}
	if n := len(w.items.clientIDs); n > 0 {
		b.Queue(addItemsSQL, ref.Tenant, ref.ID, w.items.clientIDs, w.items.companyIDs, w.items.outcomes, w.items.reasons, maxItems)
	}
	if f := w.findings; len(f.clientIDs) > 0 {
		b.Queue(addFindingsSQL, ref.Tenant, ref.ID, f.clientIDs, f.outcomes, f.names, f.inactive, f.reasons, f.doubts)
	}
	pageIDs := w.page.PageIDs
	if pageIDs == nil {
		pageIDs = []int64{}
	}
	b.Queue(addPageSQL, ref.Tenant, ref.ID, w.page.Pass, w.page.Page, pageIDs)
	c := w.counts
	b.Queue(advanceRunSQL, ref.Tenant, ref.ID, ref.Fence, w.page.Pass, len(w.page.Clients)+len(w.page.Skips),
		w.page.RecordsTotal, w.page.Cursor,
		c.Created, c.Linked, c.Refreshed, c.Unchanged, c.Ambiguous, c.Skipped, c.Failed, max(1, w.page.Pages))
	b.Queue("commit")
	return conn.SendBatch(ctx, b).Close()
}

// discardPlansSQL makes Postgres plan its foreign key checks again for each batch.
// Otherwise it caches their plans. A plan made while a table was empty scans the table
// for each row, until autovacuum notices that the table has grown.
const discardPlansSQL = `discard plans`

// queueRows queues the writes that a dry run skips.
func (w *batchWrite) queueRows(b *pgx.Batch, ref RunRef, actor string) {
	cl := w.clients
	args := []any{ref.Tenant, ref.ConnectionID, cl.ids, cl.names, cl.inactive, cl.topIDs, cl.topNames}
	switch {
	case w.added.any:
		b.Queue(discardPlansSQL)
		b.Queue(addMappingsSQL, append(args, ref.ID, actor, w.added.mappings, w.added.companies, w.added.norms)...)
	case len(cl.ids) > 0:
		b.Queue(upsertClientsSQL, args...)
	}
	if r := w.refresh; len(r.clientIDs) > 0 {
		b.Queue(refreshMappingsSQL, ref.Tenant, ref.ConnectionID, ref.ID, actor, r.clientIDs, r.names, r.inactive, "import")
	}
}

// orNilID returns nil for the zero id.
func orNilID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
