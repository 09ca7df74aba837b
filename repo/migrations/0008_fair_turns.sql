-- +goose Up
-- halosync:oldest-program 7
-- What counts as a bulk run: one that walks through a connection's clients. An
-- import of up to 100 named clients is not one, since somebody waits for it at
-- the screen; the queue's contract has the same number. It goes on beside a
-- bulk run, as mapping by hand does. Workers of the version before still make
-- it wait, and are waited for.
-- +goose StatementBegin
create function halosync.is_bulk(kind text, args jsonb) returns boolean
language sql immutable parallel safe as $$
    select case
        when kind = 'resync' then true
        when kind <> 'import' then false
        when jsonb_typeof(args -> 'client_ids') = 'array' then jsonb_array_length(args -> 'client_ids') > 100
        else true end
$$;
-- +goose StatementEnd
drop index halosync.runs_one_bulk;
create unique index runs_one_bulk on halosync.runs (connection_id)
    where state = 'running' and halosync.is_bulk(kind, args);
