-- Files 0001 to 0009 are the schema of the first release, one file for each
-- subject. Migrations only go forward: to correct a mistake, add another
-- migration. Each migration runs once, in a transaction, and only one process
-- at a time applies migrations. The comment on each index names the query that
-- needs the index. Store is a type in the Go package repo.

-- +goose Up
-- Each row is one set of a tenant's Halo credentials.
create table halosync.connections (
    id               uuid primary key,
    tenant           text not null check (length(tenant) between 1 and 200),
    name             text not null check (length(name) between 1 and 200),
    domain           text not null check (length(domain) between 1 and 2000),
    auth_server      text not null check (length(auth_server) between 1 and 2000),
    halo_tenant      text not null default '' check (length(halo_tenant) <= 200),
    client_id        text not null check (length(client_id) between 1 and 200),
    secret_sealed    bytea not null, -- encrypted; bound to tenant, id and column
    state            text not null default 'active' check (state in ('active', 'paused', 'needs_reconnect')),
    state_reason     text not null default '',
    rate_limit       text check (length(rate_limit) between 1 and 100),
    resync_cron      text check (length(resync_cron) between 1 and 200),
    next_resync_at   timestamptz,
    last_success_at  timestamptz,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    verified_at      timestamptz, -- start of the last complete resync, which verified all mappings except those in state unverified
    clients_pages    integer check (clients_pages >= 0), -- pages of the last complete listing
    instance_unsure  boolean not null default false, -- the address or credentials changed, so this may be a different Halo
    next_resync_spec text not null default '', -- the schedule from which next_resync_at was computed
    missed_resyncs   integer not null default 0, -- total number of resyncs missed because no worker was running
    -- Foreign keys use tenant and id together, so that no row can refer to
    -- another tenant's connection.
    constraint connections_tenant_id unique (tenant, id),
    -- Store.FindConnection finds a connection by its name.
    constraint connections_name unique (tenant, name)
) with (fillfactor = 80);

-- Store.ClaimDue and Store.LateResyncs find the due resyncs of all tenants.
create index connections_due on halosync.connections (next_resync_at) where state = 'active';
