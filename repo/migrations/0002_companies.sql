-- +goose Up
-- The product's companies. A sync adds to them and never takes away.
create table halosync.companies (
    tenant      text not null check (length(tenant) between 1 and 200),
    id          uuid not null,
    name        text not null check (length(name) between 1 and 1000),
    norm_name   text not null check (norm_name <> ''), -- the form under which names are compared; made by the program
    external_id text check (length(external_id) between 1 and 200),
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (tenant, id)
);

create unique index companies_external_id on halosync.companies (tenant, external_id) where external_id is not null;

-- Lookup by name. The hash, because a long name does not fit into an index
-- row (2,704 bytes); queries compare both, the hash and the name.
create index companies_norm_name on halosync.companies (tenant, hashtextextended(norm_name, 0));
