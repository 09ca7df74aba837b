-- +goose Up
-- halosync:oldest-program 9
-- Why runs did not do everything: the clients, pairs and mappings that were not
-- processed or that need a person, with the reason for each, for products that read
-- SQL. A role that reads the view needs no right on run_items.
--
-- The view reads with the rights of its owner, to which row level security does
-- not apply. The view therefore repeats the condition of the policy
-- tenant_wall.
create view halosync.run_reasons with (security_barrier) as
select i.tenant, i.run_id, r.kind, r.connection_id, r.state, r.finished_at,
    i.pair, i.client_id, i.company_id, i.outcome, i.reason
from halosync.run_items i
join halosync.runs r on r.tenant = i.tenant and r.id = i.run_id
where not i.settled
    and (i.tenant = (select current_setting('halosync.tenant', true))
        or (select coalesce(current_setting('halosync.tenant', true), '*') = '*'));
