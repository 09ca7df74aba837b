-- +goose Up
-- Row level security separates tenants, in addition to the tenant in each WHERE
-- clause. halosync's programs set halosync.tenant to the tenant of each
-- statement. If the setting is empty, a session sees no rows. If it is "*", for
-- statements that serve the whole installation, the session sees the rows of
-- all tenants. A session that has never set it belongs to the product or to a
-- person and is limited only by its grants. The policies do not apply to the
-- tables' owner, which runs migrations, dumps and repairs.
--
-- The sub-selects read the setting once per statement, not once per row.
-- +goose StatementBegin
do $$
declare
    tab text;
begin
    foreach tab in array '{connections,companies,clients,mappings,dismissals,runs,run_items,run_pages,run_findings,events,api_keys,sessions,signin_tokens_used,answers}'::text[] loop
        execute format('alter table halosync.%I enable row level security', tab);
        execute format($policy$
            create policy tenant_wall on halosync.%I using (
                tenant = (select current_setting('halosync.tenant', true))
                or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'))$policy$, tab);
    end loop;
end
$$;
-- +goose StatementEnd
