-- Migrations go forward only: a mistake is mended by the next one. They run
-- once each, in a transaction, under a session lock.

-- +goose Up
-- A set of Halo credentials of one tenant.
create table halosync.connections (
    id              uuid primary key,
    tenant          text not null check (length(tenant) between 1 and 200),
    name            text not null check (length(name) between 1 and 200),
    domain          text not null check (length(domain) between 1 and 2000),
    auth_server     text not null check (length(auth_server) between 1 and 2000),
    halo_tenant     text not null default '' check (length(halo_tenant) <= 200),
    client_id       text not null check (length(client_id) between 1 and 200),
    secret_sealed   bytea not null, -- bound to tenant, id and column
    state           text not null default 'active' check (state in ('active', 'paused', 'needs_reconnect')),
    state_reason    text not null default '',
    rate_limit      text check (length(rate_limit) between 1 and 100),
    resync_cron     text check (length(resync_cron) between 1 and 200),
    next_resync_at  timestamptz,
    last_success_at timestamptz,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    -- What other tables refer to, so that no row can point into another tenant.
    constraint connections_tenant_id unique (tenant, id),
    constraint connections_name unique (tenant, name)
) with (fillfactor = 80);
