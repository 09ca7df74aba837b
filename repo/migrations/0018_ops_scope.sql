-- +goose Up
-- halosync:oldest-program 7
-- The scope of those who see the queues, which hold tasks of all tenants. A
-- program that does not know it takes it for none.
alter table halosync.api_keys drop constraint api_keys_scope_check,
    add constraint api_keys_scope_check check (scope in ('read', 'write', 'admin', 'ops'));
alter table halosync.sessions drop constraint sessions_scope_check,
    add constraint sessions_scope_check check (scope in ('read', 'write', 'admin', 'ops'));
