-- +goose Up
-- Jobs that one worker of the fleet does at a time: the nightly removal of old
-- history, and the counts that cost too much for each scrape.
create table halosync.upkeep (
    job        text primary key,
    next_at    timestamptz, -- null: not planned yet
    holder     uuid,        -- the worker that does it
    held_until timestamptz, -- when its lease ends
    done_at    timestamptz, -- when it was last done
    result     jsonb not null default '{}' -- of the last time
);
insert into halosync.upkeep (job) values ('retention'), ('numbers');
