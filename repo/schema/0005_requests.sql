-- +goose Up
-- A program in any language can request a run in SQL, as part of its own
-- transaction. When the transaction commits, the run is in the ledger and a
-- worker puts it into the queue.

-- canonical_args returns the arguments in the canonical form of the queue's
-- contract, so that equal arguments have the same form. It raises an error for
-- arguments that the queue would refuse later, when the caller can no longer
-- see the reason. A worker makes the remaining checks.
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
    field text;
    fault text;
begin
    if known is null then
        raise exception 'kind "%" is unknown: want import, map, unmap or resync', job using errcode = '22023';
    end if;
    args := coalesce(args, '{}');
    if jsonb_typeof(args) <> 'object' then
        raise exception 'args of %: want a JSON object', job using errcode = '22023';
    end if;
    if octet_length(args::text) > 1048576 then
        raise exception 'args of %: % bytes, at most 1048576 are allowed: split the request', job, octet_length(args::text) using errcode = '22023';
    end if;
    -- enqueue receives tenant, connection and requester as separate arguments.
    args := args - '{tenant,connection_id,requested_by}'::text[];
    if args - known <> '{}' then
        select string_agg(format('unknown field "%s"', k), ', ') into fault from jsonb_object_keys(args - known) k;
    end if;
    foreach field in array known loop
        if args -> field in ('null', 'false', '""', '[]') then
            args := args - field;
        end if;
    end loop;
    if fault is null and args ? list and jsonb_typeof(args -> list) <> 'array' then
        fault := list || ': want an array';
    elsif fault is null and job = 'import' then
        if (args ? 'all')::int + (args ? 'search')::int + (args ? 'client_ids')::int <> 1 then
            fault := 'want one of all, search and client_ids';
        elsif args -> 'all' <> 'true' then
            fault := 'all: want true';
        elsif args ? 'search' then
            if jsonb_typeof(args -> 'search') <> 'string' or btrim(args ->> 'search') = '' then
                fault := 'search: want text';
            elsif octet_length(convert_to(btrim(args ->> 'search'), 'UTF8')) > 200 then
                fault := 'search: at most 200 bytes are allowed';
            elsif args ->> 'search' ~ '[\u0001-\u001f\u007f-\u009f\u200b\u2028-\u202e\u2060-\u2069\ufeff]' then
                fault := 'search: has a control character or one that cannot be seen';
            end if;
        elsif args ? 'client_ids' then
            if exists (select from jsonb_array_elements(args -> 'client_ids') e where e::text !~ '^[1-9][0-9]{0,17}$') then
                fault := 'client_ids: want whole numbers from 1';
            elsif jsonb_array_length(args -> 'client_ids') > 10000 then
                fault := 'client_ids: at most 10000 are allowed';
            end if;
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
revoke execute on function halosync.canonical_args(text, jsonb) from public;

-- enqueue requests a run and returns its id. If an equal request is queued or
-- running, it returns the id of that run instead. It runs with the owner's
-- rights, so a caller needs only the right to execute it. By default only the
-- owner has that right.
--
-- enqueue finds an equal request by the hash of its arguments, whatever its
-- key. The conditions are written so that only one index, runs_asked, serves them. Postgres
-- plans the query once for a session: a plan made while the table was small must not later
-- read every waiting run.
-- +goose StatementBegin
create function halosync.enqueue(kind text, tenant text, connection_id uuid, args jsonb, requested_by text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
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
revoke execute on function halosync.enqueue(text, text, uuid, jsonb, text) from public;

-- enqueue finds the run of an equal request.
create index runs_asked on halosync.runs (connection_id, jsonb_hash_extended(args - '{requested_by,scheduled}'::text[], 0))
    where finished_at is null;

-- tell_queued notifies the workers of a run that was requested in SQL. On a
-- Postgres server, transactions that send notifications commit one after
-- another, each waiting for the previous one's flush to disk. Therefore only
-- one of several concurrent transactions notifies: the one that holds the lock.
-- The runs of the others are in the ledger shortly afterwards, and a notified
-- worker checks the ledger until it finds no more runs.
-- +goose StatementBegin
create function halosync.tell_queued() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if pg_try_advisory_xact_lock(1751215215, 1) then -- "halo"
        perform pg_notify('halosync_queued', replace(new.id::text, '-', ''));
    end if;
    return null;
end
$$;
-- +goose StatementEnd
revoke execute on function halosync.tell_queued() from public;
create constraint trigger runs_told after insert on halosync.runs
    deferrable initially deferred for each row
    when (new.request_key like 'sql:%') execute function halosync.tell_queued();
