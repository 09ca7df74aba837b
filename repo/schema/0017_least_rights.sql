-- halosync:oldest-program 9

-- +goose Up
-- This migration prevents a role from misusing the rights that it needs. A role must not be
-- able to act for a tenant that its session does not name, to choose values that the
-- database records by itself, or to give itself more rights.

-- The role that wrote the event. A program names the actor, but worker migrate --grant-to
-- and --grant-cli-to do not give its role the right to choose the id, the time and this
-- column. Null: the event is older than the column.
alter table halosync.events add column written_by text;
alter table halosync.events alter column written_by set default session_user;

-- Only the tables' owner, to which row level security does not apply, can create a key
-- that shows the queues of all tenants.
create policy ops_keys on halosync.api_keys as restrictive for insert with check (scope <> 'ops');

-- A revoked key stays revoked. Otherwise, a role that may revoke keys could also reactivate
-- a revoked key with a wider scope.
-- +goose StatementBegin
create function halosync.keep_revoked() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'API key "%" stays revoked: create another key', old.name using errcode = 'object_not_in_prerequisite_state';
end
$$;
-- +goose StatementEnd
revoke execute on function halosync.keep_revoked() from public;
create trigger api_keys_stay_revoked before update of revoked_at on halosync.api_keys
    for each row when (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
    execute function halosync.keep_revoked();

-- A session that a key started has the scope of the key, and no sign-in token of the
-- product grants the scope ops. The constraints keep a role that may add sessions from
-- giving itself a wider scope.
delete from halosync.sessions s
    where s.scope = 'ops' and s.api_key_id is null or exists (select from halosync.api_keys k
        where k.tenant = s.tenant and k.id = s.api_key_id and k.scope <> s.scope);
alter table halosync.api_keys add constraint api_keys_scope unique (tenant, id, scope);
alter table halosync.sessions
    add constraint sessions_scope_of_key foreign key (tenant, api_key_id, scope)
        references halosync.api_keys (tenant, id, scope) on delete cascade,
    add constraint sessions_ops_by_key check (scope <> 'ops' or api_key_id is not null);
alter table halosync.sessions drop constraint if exists sessions_tenant_api_key_id_fkey;

-- See migration 0005. In addition:
--   * If the session names a tenant in halosync.tenant, only connections of that tenant
--     exist. The rows of other tenants are not read, so that they affect neither the error
--     nor the response time nor waits for locks.
--   * A requester in SQL cannot use the names that halosync's own programs record.
-- +goose StatementBegin
create or replace function halosync.enqueue(kind text, tenant text, connection_id uuid, args jsonb, requested_by text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
#variable_conflict use_variable
declare
    job   text := regexp_replace(coalesce(kind, ''), '^halo:', '');
    asked jsonb := halosync.canonical_args(job, args);
    known boolean := coalesce(current_setting('halosync.tenant', true), '*') in (tenant, '*');
    conn  record;
    run   uuid;
begin
    if known then
        select c.name, c.state, c.state_reason into conn from halosync.connections c
            where c.tenant = enqueue.tenant and c.id = connection_id for key share;
        known := found;
    end if;
    if known is not true then
        raise exception 'connection % of tenant % does not exist', connection_id, tenant using errcode = '22023',
            hint = 'If the session has set halosync.tenant, only connections of that tenant exist.';
    elsif conn.state <> 'active' then
        raise exception 'connection "%" is %', conn.name, conn.state using errcode = '55000', detail = conn.state_reason;
    end if;
    asked := jsonb_build_object('tenant', tenant, 'connection_id', connection_id) || asked;
    requested_by := btrim(left(regexp_replace(coalesce(requested_by, ''), '[[:cntrl:]]', '', 'g'), 50));
    if requested_by ~ '^(key|user|cli):' or requested_by in ('cli', 'schedule') then
        requested_by := 'sql:' || requested_by;
    end if;
    for attempt in 1..10 loop
        select r.id into run from halosync.runs r
            where r.connection_id = enqueue.connection_id and r.finished_at is null
                and jsonb_hash_extended(r.args - '{requested_by,scheduled}'::text[], 0) = jsonb_hash_extended(asked, 0)
                and r.tenant is not distinct from enqueue.tenant and r.kind is not distinct from job
                and r.cancel_requested_at is null and r.args - '{requested_by,scheduled}'::text[] = asked
            order by r.queued_at limit 1;
        if found then
            return run;
        end if;
        insert into halosync.runs (id, tenant, connection_id, kind, args, request_key, requested_by)
            values (gen_random_uuid(), tenant, connection_id, job,
                asked || jsonb_strip_nulls(jsonb_build_object('requested_by', nullif(requested_by, ''))),
                'sql:' || encode(sha256(convert_to(asked::text, 'UTF8')), 'hex'), requested_by)
            on conflict do nothing returning id into run;
        if found then
            return run; -- the trigger runs_told notifies the workers
        end if;
    end loop;
    raise exception 'the same request is being ended at this moment: ask again' using errcode = '40001';
end
$$;
-- +goose StatementEnd

-- See migration 0005. The notification has no payload: any session of the database can
-- listen, and workers need only the notification.
-- +goose StatementBegin
create or replace function halosync.tell_queued() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if pg_try_advisory_xact_lock(1751215215, 1) then -- "halo"
        perform pg_notify('halosync_queued', '');
    end if;
    return null;
end
$$;
-- +goose StatementEnd

-- See migration 0006. An age can compare as equal to 30 days but lead to a later time than
-- 30 days ago, for example '-100 years 36030 days'. The reason is that comparing intervals
-- counts a month as 30 days, but subtracting them uses calendar months. Therefore the
-- function compares times. If the session names a tenant, only that tenant's events are
-- deleted.
-- +goose StatementBegin
create or replace function halosync.forget_events(of_tenant text, age interval, most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    until timestamptz := least(now() - age, now() - interval '30 days',
        (select min(r.queued_at) from halosync.runs r where r.tenant = of_tenant));
    old   bigint[];
    gone  integer;
begin
    if coalesce(current_setting('halosync.tenant', true), '*') not in (of_tenant, '*') then
        return 0;
    end if;
    select array_agg(e.id) filter (where e.at < until) into old
        from (select id, at from halosync.events where tenant = of_tenant order by id limit most) e;
    perform set_config('halosync.forgetting', 'on', true);
    delete from halosync.events e where e.tenant = of_tenant and e.id = any(old);
    get diagnostics gone = row_count;
    perform set_config('halosync.forgetting', '', true);
    return gone;
end
$$;
-- +goose StatementEnd

-- A fixed search_path ensures that the trigger function calls the functions of Postgres,
-- even if a session has defined functions of the same name. No one needs to call the
-- trigger function by name.
alter function halosync.refuse_change() set search_path = pg_catalog, pg_temp;
revoke execute on function halosync.refuse_change() from public;

-- The view reads with the rights of its owner, to which row level security does not apply.
-- It therefore repeats the condition of the policy tenant_wall, as run_reasons does. The
-- view is not a security barrier. With a barrier, a join in the product could no longer use
-- an index for each row. A barrier would not help either, because a session that can run
-- its own functions can also change the setting.
create or replace view halosync.current_mappings as
select m.tenant, m.id, m.connection_id, n.name as connection, m.company_id, c.name as company_name,
    m.client_id, m.client_name, m.client_inactive, m.mapped_at, m.mapped_by, m.state, m.state_reason,
    case when m.state = 'unverified' then m.last_verified_at
        else greatest(m.last_verified_at, n.verified_at) end as last_verified_at
from halosync.mappings m
join halosync.connections n on n.tenant = m.tenant and n.id = m.connection_id
join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id
where m.deleted_at is null
    and (m.tenant = (select current_setting('halosync.tenant', true))
        or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'));
