-- +goose Up
-- Row level security keeps tenants apart, behind the tenant in each WHERE. The
-- programs name the tenant of each statement in the setting halosync.tenant. With
-- an empty setting, a session sees no rows. With "*", for statements that serve
-- the whole installation, it sees the rows of all tenants. A session that has
-- never set it does not belong to halosync but to the product or a person, and
-- sees what it was granted. The policy does not apply to the tables' owner, who
-- migrates, dumps and repairs.
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
