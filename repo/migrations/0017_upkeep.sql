-- +goose Up
-- halosync:oldest-program 7
-- What one worker of the fleet does at a time: the nightly removal of old
-- history, and counting what is too much to be counted at each scrape.
create table halosync.upkeep (
    job        text primary key,
    next_at    timestamptz, -- null: not planned yet
    holder     uuid,        -- the worker that is at it
    held_until timestamptz, -- and until when it is believed to be
    done_at    timestamptz, -- when it was last done
    result     jsonb not null default '{}' -- what that came to
);
insert into halosync.upkeep (job) values ('retention'), ('numbers');

-- When an import last saw the client, to the month: so an unchanged row is
-- written once in 30 days, and not by each import.
alter table halosync.clients add column seen_at timestamptz not null default now();

-- Events may go once they are old, by this one way: the role of the programs has
-- no right to delete them, and who has it is refused as before.
-- +goose StatementBegin
create or replace function halosync.refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('halosync.forgetting', true) = 'on' then
        return null;
    end if;
    raise exception 'halosync.% is append-only: % refused', tg_table_name, lower(tg_op)
        using errcode = 'object_not_in_prerequisite_state';
end
$$;
-- +goose StatementEnd

-- Deletes a tenant's events that are older than age, of its oldest ones at most
-- as many as it is told to look at. None is younger than 30 days, whoever asks,
-- and none is younger than a run that is there: an undo would miss it.
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
