-- +goose Up
-- Jobs that only one worker of the fleet does at a time: the nightly deletion of
-- old history, and counts that cost too much to repeat at each scrape.
create table halosync.upkeep (
    job        text primary key,
    next_at    timestamptz, -- null: not planned yet
    holder     uuid,        -- the worker that is doing the job
    held_until timestamptz, -- when its lease ends
    done_at    timestamptz, -- when it was last done
    result     jsonb not null default '{}' -- result of the last time
);
insert into halosync.upkeep (job) values ('retention'), ('numbers');
