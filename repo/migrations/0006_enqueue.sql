-- +goose Up
-- Requests a run inside the caller's own transaction, from any language. The
-- run is put into the queue by a worker's dispatcher once it is committed. The
-- same request while the first is waiting or running gives the first one's id.
-- An unknown kind or connection is an error.

-- +goose StatementBegin
create function halosync.enqueue(kind text, tenant text, connection_id uuid, args jsonb, requested_by text)
returns uuid language plpgsql as $$
declare
    wanted jsonb := coalesce(enqueue.args, '{}') - 'requested_by';
    key    text := 'sql:' || encode(sha256(convert_to(wanted::text, 'UTF8')), 'hex');
    run_id uuid;
begin
    loop
        insert into halosync.runs as r (id, tenant, connection_id, kind, args, request_key, requested_by)
        values (gen_random_uuid(), enqueue.tenant, enqueue.connection_id, enqueue.kind, wanted, key,
                coalesce(enqueue.requested_by, ''))
        on conflict do nothing
        returning r.id into run_id;
        exit when run_id is not null;

        select r.id into run_id from halosync.runs r
        where r.tenant = enqueue.tenant and r.connection_id = enqueue.connection_id and r.kind = enqueue.kind
            and r.request_key = key and r.state in ('queued', 'running');
        exit when run_id is not null; -- else it ended a moment ago: once more
    end loop;
    return run_id;
end
$$;
-- +goose StatementEnd
