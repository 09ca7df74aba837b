-- +goose Up
-- What keeps mappings true: the run that made each, when a whole connection
-- was last verified, schedules, findings of a resync before they are applied.
alter table halosync.connections
    add column verified_at      timestamptz, -- a resync that began then verified every mapping, but those that are unverified
    add column clients_pages    integer check (clients_pages >= 0), -- pages of the last complete listing
    add column instance_unsure  boolean not null default false, -- address or credentials changed: is it the same Halo?
    add column next_resync_spec text not null default '', -- the schedule that next_resync_at was computed from
    add column missed_resyncs   integer not null default 0; -- nights without a resync, since no worker was up
create index connections_due on halosync.connections (next_resync_at) where state = 'active';

-- A company that a run created may be taken back with that run. Its mapping
-- stays, deleted, so that nothing that was requested before brings it back.
alter table halosync.mappings
    add column run_id uuid, -- the run that made it; no foreign key: runs go
    alter column company_id drop not null,
    add constraint mappings_company_known check (company_id is not null or deleted_at is not null),
    drop constraint mappings_tenant_company_id_fkey,
    add constraint mappings_tenant_company_id_fkey foreign key (tenant, company_id)
        references halosync.companies (tenant, id) on delete set null (company_id);
create index mappings_run on halosync.mappings (tenant, run_id, id) where run_id is not null;
-- What the foreign key asks for when a company goes, deleted mappings included.
create index mappings_of_company on halosync.mappings (tenant, company_id);
create index mappings_pair on halosync.mappings (connection_id, company_id, client_id) where deleted_at is not null;
update halosync.mappings m set run_id = e.run_id from halosync.events e
    where e.tenant = m.tenant and e.mapping_id = m.id and e.action = 'mapping.created' and e.run_id is not null;

alter table halosync.runs
    add column missing          integer not null default 0, -- mappings whose client is gone from Halo
    add column unverified       integer not null default 0, -- mappings whose client could not be read
    add column removed          integer not null default 0, -- mappings taken away
    add column dispatched_at    timestamptz, -- when its task was last put into the queue
    add column approved_at      timestamptz,
    add column approved_by      text not null default '',
    add column approved_missing integer not null default 0; -- held: as many as this may be marked missing
create index runs_live on halosync.runs (dispatched_at nulls first) where state in ('queued', 'running');

-- A request of pairs has an outcome for each, settled or in need of a person.
alter table halosync.run_items
    add column pair    integer check (pair > 0), -- of the request, counted from 1
    add column settled boolean not null default false,
    drop constraint run_items_seq_check,
    add constraint run_items_seq_check check (seq between 1 and 10000);

-- What a resync found, kept until it is known whether the listing can be
-- believed. Only what differs from the mapping. Deleted when the run ends.
create table halosync.run_findings (
    tenant    text not null check (length(tenant) between 1 and 200),
    run_id    uuid not null,
    client_id bigint not null check (client_id > 0),
    outcome   text not null check (outcome in ('seen', 'missing', 'unverified')),
    name      text not null default '' check (length(name) <= 1000),
    inactive  boolean not null default false,
    reason    text not null default '',
    primary key (run_id, client_id),
    foreign key (tenant, run_id) references halosync.runs (tenant, id) on delete cascade
);

-- Pairs that a person does not want to be suggested again.
create table halosync.dismissals (
    tenant        text not null check (length(tenant) between 1 and 200),
    connection_id uuid not null,
    company_id    uuid not null,
    client_id     bigint not null check (client_id > 0),
    dismissed_at  timestamptz not null default now(),
    dismissed_by  text not null,
    primary key (connection_id, company_id, client_id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade,
    foreign key (tenant, company_id) references halosync.companies (tenant, id) on delete cascade
);
create index dismissals_of_company on halosync.dismissals (tenant, company_id);

-- The mappings in force, as the program shows them, for whoever reads the
-- tables: with names, and verified by the connection's last resync, which
-- does not touch the rows that it finds unchanged.
create view halosync.current_mappings as
select m.tenant, m.id, m.connection_id, n.name as connection, m.company_id, c.name as company_name,
    m.client_id, m.client_name, m.client_inactive, m.mapped_at, m.mapped_by, m.state, m.state_reason,
    case when m.state = 'unverified' then m.last_verified_at
        else greatest(m.last_verified_at, n.verified_at) end as last_verified_at
from halosync.mappings m
join halosync.connections n on n.tenant = m.tenant and n.id = m.connection_id
join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id
where m.deleted_at is null;

-- Similar names need pg_trgm. Without the right to create it, or without its
-- files, everything else works, and "suggest" says what is missing.
-- +goose StatementBegin
do $$
begin
    create extension if not exists pg_trgm with schema halosync;
exception when insufficient_privilege or undefined_file or feature_not_supported then
    raise notice 'pg_trgm is not available: %', sqlerrm;
end
$$;
-- +goose StatementEnd
