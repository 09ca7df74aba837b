-- +goose Up
-- Who did what, when, how; before and after. Rows are never changed and have
-- no foreign keys, so what they tell about may go.
create table halosync.events (
    tenant        text not null check (length(tenant) between 1 and 200),
    id            bigint generated always as identity,
    at            timestamptz not null default now(),
    actor         text not null,
    action        text not null check (length(action) between 1 and 100), -- e.g. mapping.created
    how           text not null default '',
    run_id        uuid,
    connection_id uuid,
    mapping_id    uuid,
    company_id    uuid,
    client_id     bigint,
    before        jsonb,
    after         jsonb,
    primary key (tenant, id)
);

create index events_run on halosync.events (tenant, run_id, id) where run_id is not null;
create index events_mapping on halosync.events (tenant, mapping_id, id) where mapping_id is not null;

-- +goose StatementBegin
create function halosync.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'halosync.% is append-only: % refused', tg_table_name, lower(tg_op)
        using errcode = 'object_not_in_prerequisite_state';
end
$$;
-- +goose StatementEnd

create trigger events_append_only before update or delete or truncate on halosync.events
    for each statement execute function halosync.refuse_change();
