-- +goose Up
-- halosync:oldest-program 7
-- What the HTTP API answered to requests that carry a key of the caller's
-- (Idempotency-Key), so that the same request again does nothing a second time.
-- A row is kept for a day. The print of the request is sealed: a client secret
-- may be part of the request, and nobody who reads the table shall be able to
-- try guesses of it.
create table halosync.answers (
    tenant     text not null check (tenant <> '' and char_length(tenant) <= 200),
    key        text not null check (key <> '' and char_length(key) <= 200),
    owner      uuid not null, -- the execution that will answer
    print      bytea not null,
    claimed_at timestamptz not null default now(),
    status     integer, -- null: being executed
    header     jsonb,
    body       bytea,
    primary key (tenant, key),
    check ((status is null) = (body is null))
);
create index answers_age on halosync.answers (tenant, claimed_at);
alter table halosync.answers enable row level security;
create policy tenant_wall on halosync.answers using (
    tenant = (select current_setting('halosync.tenant', true))
    or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'));
