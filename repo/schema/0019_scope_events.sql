-- halosync:oldest-program 9

-- +goose Up
-- A valid key or session that is used beyond its scope leaves a security event.
alter table halosync.security_events drop constraint security_events_kind_check,
    add constraint security_events_kind_check check (kind in ('signin', 'apikey.used', 'apikey.added', 'apikey.revoked',
        'session.ended', 'connection.secret', 'connection.address', 'keyset.rotated', 'role.granted', 'scope.exceeded'));
