-- halosync:oldest-program 9

-- +goose Up
-- A finding whose outcome is unverified can have a special reason. "unlisted":
-- Halo returns the client by its id but does not list it. "vanished": Halo answered that
-- there is no such client, but the next night's resync must confirm that.
alter table halosync.run_findings
    add column doubt text not null default '' check (doubt in ('', 'unlisted', 'vanished'));

-- Start of the first resync that could not find the client, while a resync on another night
-- must still confirm that the client is missing. Store.DoubtVanished reads it.
alter table halosync.mappings add column vanished_at timestamptz;

-- Start of the last resync that read a complete list. It listed each client that was mapped
-- at that time, unless the mapping has become unverified or missing since then.
alter table halosync.connections add column listed_at timestamptz;
