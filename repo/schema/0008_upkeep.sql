-- +goose Up
-- Jobs that only one worker of the fleet runs at a time: the nightly deletion
-- of old rows, and counts that are too expensive to repeat at each metrics
-- scrape.
create table halosync.upkeep (
    job        text primary key,
    next_at    timestamptz, -- null: not planned yet
    holder     uuid,        -- the worker that is doing the job
    held_until timestamptz, -- when its lease ends
    done_at    timestamptz, -- when it was last completed
    result     jsonb not null default '{}' -- result of the last completion
);
insert into halosync.upkeep (job) values ('retention'), ('numbers');
