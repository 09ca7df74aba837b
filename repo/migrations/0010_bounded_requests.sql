-- +goose Up
-- halosync:oldest-program 7
-- A request in SQL is refused at once where it is longer than any the queue
-- would take, or searches for characters that no text may hold; a worker would
-- refuse it later, with nobody there to read why.
-- +goose StatementBegin
create or replace function halosync.canonical_args(job text, args jsonb) returns jsonb
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
    if octet_length(args::text) > 1048576 then
        raise exception 'args of %: % bytes, at most 1048576 are allowed: split the request', job, octet_length(args::text) using errcode = '22023';
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
        elsif octet_length(convert_to(btrim(args ->> 'search'), 'UTF8')) > 200 then
            fault := 'search: at most 200 bytes are allowed';
        elsif args ->> 'search' ~ '[\u0001-\u001f\u007f-\u009f\u200b\u2028-\u202e\u2060-\u2069\ufeff]' then
            fault := 'search: has a control character or one that cannot be seen';
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
