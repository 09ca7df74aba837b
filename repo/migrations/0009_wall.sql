-- +goose Up
-- halosync:oldest-program 7
-- A second wall between tenants, behind the tenant in each WHERE. The programs
-- name the tenant of each statement in the setting halosync.tenant: nobody's is
-- the empty text, "*" everybody's, for what serves the whole installation. A
-- session that has never set it is somebody else's, the product's or a
-- person's, and sees what it was granted. The tables' owner is not held: it
-- migrates, dumps and repairs.
--
-- The sub-selects make the setting be read once a statement, not once a row.
-- +goose StatementBegin
do $$
declare
    walled text;
begin
    foreach walled in array '{connections,companies,clients,mappings,runs,run_items,run_pages,run_findings,events,dismissals}'::text[] loop
        execute format('alter table halosync.%I enable row level security', walled);
        execute format($policy$
            create policy tenant_wall on halosync.%I using (
                tenant = (select current_setting('halosync.tenant', true))
                or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'))$policy$, walled);
    end loop;
end
$$;
-- +goose StatementEnd

-- Behind a wall an index is used for conditions alone that cannot leak what
-- they see. Comparing numbers is one, hashing a name is not: so the hash is
-- kept. The index of the releases before stays for them.
alter table halosync.companies
    add column norm_hash bigint not null generated always as (hashtextextended(norm_name, 0)) stored;
create index companies_norm_hash on halosync.companies (tenant, norm_hash);
