-- +goose Up
-- What it takes to lose no run: signs of life of executions, the ledger as an
-- entrance of its own, and no task without a row.
alter table halosync.runs
    add column beat_at timestamptz, -- running: when its execution last gave a sign of life
    add column deaths  integer not null default 0, -- executions in a row that ended with their worker, without a page in between
    add column stack   text not null default '';   -- of the panic that failed it

-- Requests a run in the caller's own transaction, from any language: if that
-- commits, the run is in the ledger, and a worker puts it into the queue. The
-- same request, while the first is waiting or running, gives the first one's
-- id. Its owner's rights are used, so that a program needs nothing but the
-- right to execute it; nobody has that by default but the owner.
-- +goose StatementBegin
create function halosync.enqueue(kind text, tenant text, connection_id uuid, args jsonb, requested_by text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    job   text := regexp_replace(coalesce(kind, ''), '^halo:', '');
    asked jsonb := halosync.canonical_args(job, args);
    conn  record;
    run   uuid;
begin
    select c.name, c.state, c.state_reason into conn from halosync.connections c
        where c.tenant = enqueue.tenant and c.id = connection_id for key share;
    if not found then
        raise exception 'connection % of tenant % does not exist', connection_id, tenant using errcode = '22023';
    elsif conn.state <> 'active' then
        raise exception 'connection "%" is %', conn.name, conn.state using errcode = '55000', detail = conn.state_reason;
    end if;
    asked := jsonb_build_object('tenant', tenant, 'connection_id', connection_id) || asked;
    requested_by := left(regexp_replace(coalesce(requested_by, ''), '[[:cntrl:]]', '', 'g'), 50);
    for attempt in 1..10 loop
        select r.id into run from halosync.runs r
            where r.tenant = enqueue.tenant and r.connection_id = enqueue.connection_id and r.kind = job
                and r.state in ('queued', 'running') and r.cancel_requested_at is null
                and r.args - '{requested_by,scheduled}'::text[] = asked
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
            perform pg_notify('halosync_queued', replace(run::text, '-', ''));
            return run;
        end if;
    end loop;
    raise exception 'the same request is being ended at this moment: ask again' using errcode = '40001';
end
$$;
-- +goose StatementEnd

-- The one spelling of equal arguments, as the queue's contract writes them, or
-- an error that names the fault. A worker checks once more what only it can.
-- +goose StatementBegin
create function halosync.canonical_args(job text, args jsonb) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    known text[] := case job
        when 'import' then '{all,search,client_ids,dry_run}'
        when 'map' then '{pairs,replace,suggested}'
        when 'unmap' then '{mapping_ids}'
        when 'resync' then '{}' end;
    list  text := case job when 'import' then 'client_ids' when 'map' then 'pairs' when 'unmap' then 'mapping_ids' end;
    fault text;
begin
    if known is null then
        raise exception 'kind "%" is unknown: want import, map, unmap or resync', job using errcode = '22023';
    end if;
    args := coalesce(args, '{}');
    if jsonb_typeof(args) <> 'object' then
        raise exception 'args of %: want a JSON object', job using errcode = '22023';
    end if;
    -- Tenant, connection and requester are arguments of the function.
    args := args - '{tenant,connection_id,requested_by}'::text[];
    select string_agg(format('unknown field "%s"', k), ', ') into fault from jsonb_object_keys(args) k where k <> all (known);
    select coalesce(jsonb_object_agg(key, value), '{}') into args from jsonb_each(args)
        where value not in ('null', 'false', '""', '[]');
    if fault is null and args ? list and jsonb_typeof(args -> list) <> 'array' then
        fault := list || ': want an array';
    elsif fault is null and job = 'import' then
        if (select count(*) from unnest('{all,search,client_ids}'::text[]) k where args ? k) <> 1 then
            fault := 'want one of all, search and client_ids';
        elsif args -> 'all' <> 'true' then
            fault := 'all: want true';
        elsif args ? 'search' and (jsonb_typeof(args -> 'search') <> 'string' or btrim(args ->> 'search') = '') then
            fault := 'search: want text';
        elsif exists (select from jsonb_array_elements(args -> 'client_ids') e where e::text !~ '^[1-9][0-9]{0,17}$') then
            fault := 'client_ids: want whole numbers from 1';
        elsif jsonb_array_length(args -> 'client_ids') > 10000 then
            fault := 'client_ids: at most 10000 are allowed';
        end if;
    elsif fault is null and job in ('map', 'unmap') and not args ? list then
        fault := list || ': none';
    end if;
    if fault is not null then
        raise exception 'args of %: %', job, fault using errcode = '22023';
    end if;
    if args ? 'client_ids' then
        args := jsonb_set(args, '{client_ids}', (select jsonb_agg(distinct e) from jsonb_array_elements(args -> 'client_ids') e));
    elsif args ? 'mapping_ids' then
        args := jsonb_set(args, '{mapping_ids}', (select jsonb_agg(distinct lower(e)) from jsonb_array_elements_text(args -> 'mapping_ids') e));
    elsif args ? 'search' then
        args := jsonb_set(args, '{search}', to_jsonb(btrim(args ->> 'search')));
    end if;
    return args;
end
$$;
-- +goose StatementEnd
revoke execute on function halosync.enqueue(text, text, uuid, jsonb, text) from public;
revoke execute on function halosync.canonical_args(text, jsonb) from public;
