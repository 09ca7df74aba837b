-- +goose Up
-- Each event is a change: who made it, when and how, with the state before and
-- after. Events are never updated. They have no foreign keys, so that the rows
-- that they describe can be deleted.
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

-- Store.Events and Store.UndoCompanies read the events of a run.
create index events_by_run on halosync.events (run_id, id) where run_id is not null;
-- Store.Events and Store.UndoMappings read the events of a mapping.
create index events_by_mapping on halosync.events (mapping_id, id) where mapping_id is not null;

-- refuse_change keeps the table append-only, even for the owner. Only
-- forget_events may delete rows.
-- +goose StatementBegin
create function halosync.refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('halosync.forgetting', true) = 'on' then
        return null;
    end if;
    raise exception 'halosync.% is append-only: % refused', tg_table_name, lower(tg_op)
        using errcode = 'object_not_in_prerequisite_state';
end
$$;
-- +goose StatementEnd

create trigger events_append_only before update or delete or truncate on halosync.events
    for each statement execute function halosync.refuse_change();

-- forget_events checks up to "most" of a tenant's oldest events, deletes those
-- that are older than age, and returns the number of deleted events. It always
-- keeps events of the last 30 days. It also keeps events newer than the oldest
-- run in the ledger, because an undo of that run reads them.
-- +goose StatementBegin
create function halosync.forget_events(of_tenant text, age interval, most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    until timestamptz := least(now() - greatest(age, interval '30 days'),
        (select min(r.queued_at) from halosync.runs r where r.tenant = of_tenant));
    old   bigint[];
    gone  integer;
begin
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
revoke execute on function halosync.forget_events(text, interval, integer) from public;
