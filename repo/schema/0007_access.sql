-- +goose Up
-- Credentials for the HTTP API and the console. Only hashes of keys and
-- sessions are stored. The secrets are random and longer than 256 bits, so they
-- cannot be found from their hashes.
create table halosync.api_keys (
    tenant       text not null check (length(tenant) between 1 and 200),
    id           uuid primary key,
    name         text not null check (length(name) between 1 and 100),
    scope        text not null check (scope in ('read', 'write', 'admin', 'ops')), -- ops: the queues, which hold tasks of all tenants
    hash         bytea not null check (octet_length(hash) = 32), -- SHA-256
    created_by   text not null,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz, -- to the minute
    expires_at   timestamptz,
    revoked_at   timestamptz,
    unique (tenant, id)
);
-- Store.RevokeAPIKey finds a key by its name. The name of a revoked key may be
-- used again.
create unique index api_keys_name on halosync.api_keys (tenant, name) where revoked_at is null;

create table halosync.sessions (
    tenant       text not null check (length(tenant) between 1 and 200),
    hash         bytea primary key check (octet_length(hash) = 32), -- SHA-256 of the cookie
    actor        text not null,
    scope        text not null check (scope in ('read', 'write', 'admin', 'ops')),
    api_key_id   uuid, -- null: the product signed its user in
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(), -- to the minute
    expires_at   timestamptz not null,
    foreign key (tenant, api_key_id) references halosync.api_keys (tenant, id) on delete cascade
);
-- Store.AddSession and Store.DeleteExpiredSessions delete expired sessions; Store.TenantsAfter
-- lists tenants.
create index sessions_of_tenant on halosync.sessions (tenant, expires_at);
-- Store.RevokeAPIKey ends the sessions of a key.
create index sessions_of_key on halosync.sessions (tenant, api_key_id) where api_key_id is not null;

-- Used sign-in tokens of the product, stored until they expire.
create table halosync.signin_tokens_used (
    tenant     text not null check (length(tenant) between 1 and 200),
    hash       bytea not null check (octet_length(hash) = 32), -- SHA-256 of the token's jti
    expires_at timestamptz not null,
    primary key (tenant, hash)
);

-- Answers of the HTTP API to requests with an Idempotency-Key, stored for a
-- day. A repeated request gets the stored answer and is not executed again. The
-- fingerprint is sealed because the request may contain a client secret, and a
-- reader of the table must not be able to test guesses of that secret.
create table halosync.answers (
    tenant     text not null check (tenant <> '' and char_length(tenant) <= 200),
    key        text not null check (key <> '' and char_length(key) <= 200),
    owner      uuid not null, -- the execution that will answer
    print      bytea not null, -- the sealed fingerprint
    claimed_at timestamptz not null default now(),
    status     integer, -- null while the request is being executed
    header     jsonb,
    body       bytea,
    primary key (tenant, key),
    check ((status is null) = (body is null))
);
-- Store.ClaimRequest and Store.DeleteExpiredSessions delete old answers.
create index answers_age on halosync.answers (tenant, claimed_at);
