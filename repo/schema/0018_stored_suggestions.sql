-- halosync:oldest-program 9

-- +goose Up
-- Suggestions are computed by a run and stored, so that a page shows them at once.
alter table halosync.runs drop constraint runs_kind_check,
    add constraint runs_kind_check check (kind in ('import', 'map', 'unmap', 'resync', 'suggest'));

-- See migration 0004. A run that computes suggestions also reads the list of clients.
-- +goose StatementBegin
create or replace function halosync.is_bulk(kind text, args jsonb) returns boolean
language sql immutable parallel safe as $$
    select case
        when kind in ('resync', 'suggest') then true
        when kind <> 'import' then false
        when jsonb_typeof(args -> 'client_ids') = 'array' then jsonb_array_length(args -> 'client_ids') > 100
        else true end
$$;
-- +goose StatementEnd

-- See migration 0005.
-- +goose StatementBegin
create or replace function halosync.canonical_args(job text, args jsonb) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    known text[] := case job
        when 'import' then '{all,search,client_ids,dry_run}'
        when 'map' then '{pairs,replace,suggested}'
        when 'unmap' then '{mapping_ids}'
        when 'resync' then '{}'
        when 'suggest' then '{}' end;
    list  text := case job when 'import' then 'client_ids' when 'map' then 'pairs' when 'unmap' then 'mapping_ids' end;
    field text;
    fault text;
begin
    if known is null then
        raise exception 'kind "%" is unknown: want import, map, unmap, resync or suggest', job using errcode = '22023';
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

-- The last list of suggestions of a connection. The run that computed it replaces the whole
-- list.
create table halosync.suggestion_lists (
    tenant        text not null check (length(tenant) between 1 and 200),
    connection_id uuid primary key,
    run_id        uuid not null, -- no foreign key, because old runs are deleted
    computed_at   timestamptz not null default now(),
    notices       text[] not null default '{}', -- what may be missing from the list, and why
    unique (tenant, connection_id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade
);

-- The pairs of the list, best first. Pairs that were mapped or dismissed after the run stay
-- in the table, and Store.Suggestions leaves them out.
create table halosync.suggestions (
    tenant        text not null check (length(tenant) between 1 and 200),
    connection_id uuid not null,
    position      integer not null check (position between 1 and 5000),
    company_id    uuid not null,
    client_id     bigint not null check (client_id > 0),
    client_name   text not null check (length(client_name) <= 1000),
    score         smallint not null check (score between 0 and 100), -- in hundredths
    reason        text not null check (length(reason) <= 1000),
    ambiguous     boolean not null,
    primary key (connection_id, position), -- Store.Suggestions reads the list in this order
    foreign key (tenant, connection_id) references halosync.suggestion_lists (tenant, connection_id) on delete cascade,
    foreign key (tenant, company_id) references halosync.companies (tenant, id) on delete cascade
);
-- The foreign key to companies needs this index when an undo deletes a company.
create index suggestions_of_company on halosync.suggestions (tenant, company_id);

-- See migration 0009.
-- +goose StatementBegin
do $$
declare
    tab text;
begin
    foreach tab in array '{suggestion_lists,suggestions}'::text[] loop
        execute format('alter table halosync.%I enable row level security', tab);
        execute format($policy$
            create policy tenant_wall on halosync.%I using (
                tenant = (select current_setting('halosync.tenant', true))
                or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'))$policy$, tab);
    end loop;
end
$$;
-- +goose StatementEnd
