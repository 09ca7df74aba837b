-- +goose Up
-- The product's companies. A sync adds companies and never deletes one.
--
-- On companies, mappings and events, only the primary keys and the index of
-- external ids begin with the tenant. If a tenant is missing from the statistics,
-- because it is new or has grown since, the planner estimates that it has no
-- rows. Any index that begins with the tenant then seems as good as the right
-- one, and Postgres reads it for the whole tenant, once for each client of a
-- page.
create table halosync.companies (
    tenant      text not null check (length(tenant) between 1 and 200),
    id          uuid not null,
    name        text not null check (length(name) between 1 and 1000),
    norm_name   text not null check (norm_name <> ''), -- the normalised form that names are compared in, computed by the program
    external_id text check (length(external_id) between 1 and 200),
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    -- A long name does not fit into an index row (2,704 bytes), so queries
    -- compare both the hash and the name. The hash is stored because under row
    -- level security an index serves only conditions that cannot leak their
    -- input. Comparing numbers is such a condition, hashing a name is not.
    norm_hash   bigint not null generated always as (hashtextextended(norm_name, 0)) stored,
    primary key (tenant, id)
);

-- Store.FindCompanies and Store.MapPairs find a company by its external id.
create unique index companies_external_id on halosync.companies (tenant, external_id) where external_id is not null;

-- Store.ImportBatch, Store.FindCompanies and Store.MapPairs find companies by name.
create index companies_by_name on halosync.companies (norm_hash, tenant);
