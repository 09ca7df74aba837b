-- +goose Up
-- halosync:oldest-program 7
-- What people look for among a hundred thousand mappings, in the order of their
-- age: those with something wrong, and the deleted ones. Both are few, and an
-- import adds to neither. The tenant comes second: see 0013.
create index mappings_troubled on halosync.mappings (id, tenant) where deleted_at is null and state <> 'ok';
create index mappings_deleted_by_age on halosync.mappings (id, tenant) where deleted_at is not null;
