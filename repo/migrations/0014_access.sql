-- +goose Up
-- halosync:oldest-program 7
-- Who gets in by HTTP. Of a key and of a session there is the hash of a random
-- secret of more than 256 bits, which is of no use to whoever reads it.
create table halosync.api_keys (
    tenant       text not null check (length(tenant) between 1 and 200),
    id           uuid primary key,
    name         text not null check (length(name) between 1 and 100),
    scope        text not null check (scope in ('read', 'write', 'admin')),
    hash         bytea not null check (octet_length(hash) = 32), -- SHA-256
    created_by   text not null,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz, -- to the minute
    expires_at   timestamptz,
    revoked_at   timestamptz,
    unique (tenant, id)
);
-- The name of a key that was revoked is free again.
create unique index api_keys_name on halosync.api_keys (tenant, name) where revoked_at is null;

create table halosync.sessions (
    tenant       text not null check (length(tenant) between 1 and 200),
    hash         bytea primary key check (octet_length(hash) = 32), -- of the cookie
    actor        text not null,
    scope        text not null check (scope in ('read', 'write', 'admin')),
    api_key_id   uuid, -- null: the product vouched for its user
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(), -- to the minute
    expires_at   timestamptz not null,
    foreign key (tenant, api_key_id) references halosync.api_keys (tenant, id) on delete cascade
);
create index sessions_of_tenant on halosync.sessions (tenant, expires_at);
create index sessions_of_key on halosync.sessions (tenant, api_key_id) where api_key_id is not null;

-- Tokens of the product that have been used, until they would have expired.
create table halosync.signin_tokens_used (
    tenant     text not null check (length(tenant) between 1 and 200),
    hash       bytea not null check (octet_length(hash) = 32), -- of the token's jti
    expires_at timestamptz not null,
    primary key (tenant, hash)
);

-- +goose StatementBegin
do $$
declare
    walled text;
begin
    foreach walled in array '{api_keys,sessions,signin_tokens_used}'::text[] loop
        execute format('alter table halosync.%I enable row level security', walled);
        execute format($policy$
            create policy tenant_wall on halosync.%I using (
                tenant = (select current_setting('halosync.tenant', true))
                or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'))$policy$, walled);
    end loop;
end
$$;
-- +goose StatementEnd
