-- +goose Up
-- The catalogue: Halo's clients, as Halo last returned them.
create table halosync.clients (
    tenant        text not null check (length(tenant) between 1 and 200),
    connection_id uuid not null,
    client_id     bigint not null check (client_id > 0),
    name          text not null check (length(name) <= 1000),
    inactive      boolean not null,
    toplevel_id   bigint check (toplevel_id > 0),
    toplevel_name text check (length(toplevel_name) between 1 and 1000),
    first_seen_at timestamptz not null default now(),
    changed_at    timestamptz not null default now(),
    -- When an import last saw the client, to within 30 days. An import writes
    -- an unchanged row at most once in 30 days.
    seen_at       timestamptz not null default now(),
    primary key (connection_id, client_id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade
) with (fillfactor = 90);

-- Each mapping links a company to the Halo client that is the same customer.
-- Unmapping keeps the row and sets deleted_at. If an undo deletes the company,
-- the row stays without its company_id, so that a run requested earlier does
-- not map the client again.
create table halosync.mappings (
    tenant           text not null check (length(tenant) between 1 and 200),
    id               uuid not null,
    connection_id    uuid not null,
    company_id       uuid,
    client_id        bigint not null check (client_id > 0),
    client_name      text not null check (length(client_name) <= 1000),
    client_inactive  boolean not null,
    mapped_at        timestamptz not null default now(),
    mapped_by        text not null check (mapped_by in ('import', 'map', 'suggest', 'restore')),
    state            text not null check (state in ('ok', 'inactive', 'missing', 'unverified')),
    state_reason     text not null default '',
    last_verified_at timestamptz,
    deleted_at       timestamptz,
    deleted_by       text,
    run_id           uuid, -- the run that created it; no foreign key, because old runs are deleted
    primary key (tenant, id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade,
    foreign key (tenant, company_id) references halosync.companies (tenant, id) on delete set null (company_id),
    check ((deleted_at is null) = (deleted_by is null)),
    constraint mappings_company_known check (company_id is not null or deleted_at is not null)
) with (fillfactor = 90);

-- A company has at most one client on a connection. Store.MapPairs and
-- Store.Companies find a company's active mapping.
create unique index mappings_company on halosync.mappings (company_id, connection_id) where deleted_at is null;
-- A client has at most one company. Store.ImportBatch and Store.ClientsMapped
-- find a client's active mapping; Store.MappedClients reads the mappings in
-- order of client id.
create unique index mappings_client on halosync.mappings (connection_id, client_id) where deleted_at is null;
-- Store.ImportBatch finds and skips clients that were unmapped since the run
-- was requested.
create index mappings_deleted on halosync.mappings (connection_id, client_id) where deleted_at is not null;
-- Store.MapPairs finds pairs that were unmapped since the run was requested.
create index mappings_pair on halosync.mappings (connection_id, company_id, client_id) where deleted_at is not null;
-- When an undo deletes a company, the check of the foreign key to companies looks up all
-- mappings of the company, including deleted ones. Store.UndoCompanies looks them up, too.
create index mappings_by_company on halosync.mappings (company_id, tenant);
-- Store.UndoMappings finds the mappings that a run created.
create index mappings_by_run on halosync.mappings (run_id, id) where run_id is not null;
-- Store.Mappings with the option Troubled lists the few mappings that are not ok, by age.
create index mappings_troubled on halosync.mappings (id, tenant) where deleted_at is null and state <> 'ok';
-- Store.Mappings with the option Deleted lists the few mappings that were unmapped, by age.
create index mappings_deleted_by_age on halosync.mappings (id, tenant) where deleted_at is not null;

-- Pairs that a person dismissed, so that they are not suggested again.
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
-- The foreign key to companies needs this index when an undo deletes a company.
create index dismissals_of_company on halosync.dismissals (tenant, company_id);

-- The active mappings with names, for people and programs that read the tables.
-- A resync does not write unchanged mappings, so last_verified_at also
-- considers the connection's last complete resync.
create view halosync.current_mappings as
select m.tenant, m.id, m.connection_id, n.name as connection, m.company_id, c.name as company_name,
    m.client_id, m.client_name, m.client_inactive, m.mapped_at, m.mapped_by, m.state, m.state_reason,
    case when m.state = 'unverified' then m.last_verified_at
        else greatest(m.last_verified_at, n.verified_at) end as last_verified_at
from halosync.mappings m
join halosync.connections n on n.tenant = m.tenant and n.id = m.connection_id
join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id
where m.deleted_at is null;

-- Store.Suggest needs pg_trgm to match similar names. If pg_trgm is not
-- installed, or the role may not create it, everything else works and "suggest"
-- reports that it is missing.
-- +goose StatementBegin
do $$
begin
    create extension if not exists pg_trgm with schema halosync;
exception when insufficient_privilege or undefined_file or feature_not_supported then
    raise notice 'pg_trgm is not available: %', sqlerrm;
end
$$;
-- +goose StatementEnd
