-- +goose Up
-- halosync:oldest-program 7
-- What people look for among a hundred thousand mappings, in the order of their
-- age: those with something wrong, and the deleted ones. Both are few, and an
-- import adds to neither.
create index mappings_troubled on halosync.mappings (tenant, id) where deleted_at is null and state <> 'ok';
create index mappings_deleted_by_age on halosync.mappings (tenant, id) where deleted_at is not null;
