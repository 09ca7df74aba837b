-- +goose Up
-- halosync:bind-secrets
-- The sealed values of a connection open only for the addresses, the client id, the Halo
-- tenant and the header's name in their row. Older programs cannot open these values, so
-- this migration names no oldest program.
comment on column halosync.connections.secret_sealed is
    'encrypted; bound to tenant, id, column, auth_server, domain, client_id and halo_tenant';
comment on column halosync.connections.header_sealed is
    'encrypted; bound to the same as secret_sealed, and to header_name';
