-- +goose Up
-- The product's companies. A sync adds companies but never deletes them.
--
-- On the tables companies, mappings and events, only the primary keys and the
-- index on external ids begin with the tenant. The statistics may lack a tenant
-- that is new or has grown recently. The planner then estimates that the tenant
-- has no rows, and every index that begins with the tenant looks equally good.
-- It may choose the wrong one and read all entries of the tenant, once for each
-- client of a page.
create table halosync.companies (
    tenant      text not null check (length(tenant) between 1 and 200),
    id          uuid not null,
    name        text not null check (length(name) between 1 and 1000),
    norm_name   text not null check (norm_name <> ''), -- normalised name for comparisons, computed by the program
    external_id text check (length(external_id) between 1 and 200),
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    -- An index row holds at most 2,704 bytes, too few for a long name. The
    -- index is therefore on the hash, and queries compare both the hash and the
    -- name. The hash is stored because under row level security an index serves
    -- only leakproof conditions. Comparing integers is leakproof; hashing a
    -- text is not.
    norm_hash   bigint not null generated always as (hashtextextended(norm_name, 0)) stored,
    primary key (tenant, id)
);

-- Store.FindCompanies and Store.MapPairs find a company by its external id.
create unique index companies_external_id on halosync.companies (tenant, external_id) where external_id is not null;

-- Store.ImportBatch, Store.FindCompanies and Store.MapPairs find companies by name.
create index companies_by_name on halosync.companies (norm_hash, tenant);
