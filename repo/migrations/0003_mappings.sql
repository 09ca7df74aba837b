-- +goose Up
-- The catalogue: Halo's clients as last seen. There is no "last seen" column,
-- which would rewrite every row at every run.
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
    primary key (connection_id, client_id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade
) with (fillfactor = 90);

-- A company of ours and a client of Halo's that are the same customer. An
-- unmapped pair stays, with deleted_at.
create table halosync.mappings (
    tenant           text not null check (length(tenant) between 1 and 200),
    id               uuid not null,
    connection_id    uuid not null,
    company_id       uuid not null,
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
    primary key (tenant, id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade,
    foreign key (tenant, company_id) references halosync.companies (tenant, id),
    check ((deleted_at is null) = (deleted_by is null))
) with (fillfactor = 90);

-- One client per company and one company per client, on each connection. The
-- company comes first: this index also finds a company's mappings.
create unique index mappings_company on halosync.mappings (company_id, connection_id) where deleted_at is null;
create unique index mappings_client on halosync.mappings (connection_id, client_id) where deleted_at is null;

-- What was unmapped: an import that was requested before leaves it alone.
create index mappings_deleted on halosync.mappings (connection_id, client_id) where deleted_at is not null;
