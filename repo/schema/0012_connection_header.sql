-- +goose Up
-- halosync:oldest-program 9
-- A connection may have one additional HTTP header, chosen by the MSP, which is sent with
-- every request to its Halo.
alter table halosync.connections
    add column header_name text not null default '' check (length(header_name) <= 100),
    add column header_sealed bytea, -- its value, encrypted; bound to tenant, id and column
    add constraint connections_header check ((header_name = '') = (header_sealed is null));
