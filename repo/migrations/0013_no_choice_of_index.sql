-- +goose Up
-- halosync:oldest-program 7
-- Of companies, mappings and events only the primary key begins with the tenant
-- now, the external ids excepted.
-- While the statistics do not know a tenant, because it is new or has grown since
-- they were made, the planner takes it for empty: then any index that begins with
-- the tenant seemed as good as the right one, and was read for the whole tenant,
-- once for each client of a page.
create index companies_by_name on halosync.companies (norm_hash, tenant);
drop index halosync.companies_norm_hash;

create index mappings_by_company on halosync.mappings (company_id, tenant);
drop index halosync.mappings_of_company;

create index mappings_by_run on halosync.mappings (run_id, id) where run_id is not null;
drop index halosync.mappings_run;

create index events_by_run on halosync.events (run_id, id) where run_id is not null;
drop index halosync.events_run;

create index events_by_mapping on halosync.events (mapping_id, id) where mapping_id is not null;
drop index halosync.events_mapping;
