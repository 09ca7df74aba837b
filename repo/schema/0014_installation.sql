-- +goose Up
-- halosync:oldest-program 9
-- The id of this installation. A Redis holds the tasks of only one installation,
-- and the id identifies this installation.
create table halosync.installation (
    one boolean primary key default true check (one),
    id  uuid not null default gen_random_uuid()
);
insert into halosync.installation default values;
