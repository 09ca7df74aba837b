-- Creates the roles and the database described in docs/security.md, "Least
-- rights". The passwords come from the secret files. The Postgres image runs
-- this script once, with psql, on an empty volume.
\set owner `cat /run/secrets/owner-password`
\set worker `cat /run/secrets/worker-password`
\set cli `cat /run/secrets/cli-password`
create role halosync_owner login password :'owner';
create role halosync_worker login password :'worker';
create role halosync_cli login password :'cli';
alter role halosync_worker set halosync.tenant = '';
alter role halosync_cli set halosync.tenant = '';
create database halosync owner halosync_owner;
revoke all on database halosync from public;
grant connect, temporary on database halosync to halosync_worker, halosync_cli;
