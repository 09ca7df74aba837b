-- +goose Up
-- halosync:oldest-program 9
-- People list and end sessions by id. A session that the product started is bound
-- to the sign-in secret that signed its token: the worker refuses the session when
-- its configuration no longer contains the secret. Address and browser help people
-- recognise a session.
alter table halosync.sessions
    add column id uuid not null default gen_random_uuid(),
    add column signin_secret bytea check (octet_length(signin_secret) = 16), -- fingerprint; null: started with an API key
    add column address text not null default '' check (length(address) <= 100),
    add column user_agent text not null default '' check (length(user_agent) <= 200),
    add constraint sessions_id unique (tenant, id);

-- Security events record who signed in, was refused, or changed credentials and rights, and
-- from where. The tenant is null if the event concerns the installation, or if the tenant
-- is unknown because a credential was refused; tenants do not see these rows.
create table halosync.security_events (
    id         bigint primary key,
    at         timestamptz not null,
    tenant     text check (length(tenant) between 1 and 200),
    kind       text not null check (kind in ('signin', 'apikey.used', 'apikey.added', 'apikey.revoked', 'session.ended',
        'connection.secret', 'connection.address', 'keyset.rotated', 'role.granted')),
    outcome    text not null check (outcome in ('succeeded', 'refused', 'throttled')),
    actor      text not null default '' check (length(actor) <= 500), -- empty: unknown
    address    text not null default '' check (length(address) <= 100), -- client's IPv4 address or IPv6 network; empty: a command, or several clients
    user_agent text not null default '' check (length(user_agent) <= 200),
    detail     text not null default '' check (length(detail) <= 1000),
    count      integer not null default 1 check (count > 0),
    written_by text not null -- the role that wrote the event: a program names the actor itself
);
-- Store.SecurityEvents reads the events of a tenant.
create index security_events_of_tenant on halosync.security_events (tenant, id);

alter table halosync.security_events enable row level security;
create policy tenant_wall on halosync.security_events using (
    tenant = (select current_setting('halosync.tenant', true))
    or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'));

-- stamp_security_event sets id, time and role of a new event and overrides the values in
-- the statement, so that a role that may add events cannot backdate them. The function runs
-- with the rights of its owner, so the role needs no right on the sequence.
create sequence halosync.security_events_id owned by halosync.security_events.id;
-- +goose StatementBegin
create function halosync.stamp_security_event() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    new.id := nextval('halosync.security_events_id');
    new.at := now();
    new.written_by := session_user;
    return new;
end
$$;
-- +goose StatementEnd
revoke execute on function halosync.stamp_security_event() from public;
create trigger security_events_stamped before insert on halosync.security_events
    for each row execute function halosync.stamp_security_event();

-- Only forget_security_events may delete rows.
create trigger security_events_append_only before update or delete or truncate on halosync.security_events
    for each statement execute function halosync.refuse_change();

-- forget_security_events checks up to "most" of the oldest events of all tenants,
-- deletes those that are older than age, and returns the number of deleted events.
-- It always keeps events of the last 90 days.
-- +goose StatementBegin
create function halosync.forget_security_events(age interval, most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone integer;
begin
    perform set_config('halosync.forgetting', 'on', true);
    delete from halosync.security_events where id in (
        select e.id from (select id, at from halosync.security_events order by id limit most) e
        where e.at < least(now() - age, now() - interval '90 days'));
    get diagnostics gone = row_count;
    perform set_config('halosync.forgetting', '', true);
    return gone;
end
$$;
-- +goose StatementEnd
revoke execute on function halosync.forget_security_events(interval, integer) from public;

-- The position up to which the workers have written security events to their logs;
-- see Store.ExportSecurityEvents.
insert into halosync.upkeep (job) values ('security');
