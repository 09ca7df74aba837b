-- +goose Up
-- One row per job, from the moment that somebody can rely on it to its end.
create table halosync.runs (
    id                  uuid primary key,
    tenant              text not null check (length(tenant) between 1 and 200),
    connection_id       uuid not null,
    kind                text not null check (kind in ('import', 'map', 'unmap', 'resync')),
    args                jsonb not null default '{}',
    request_key         text not null check (length(request_key) between 1 and 200), -- the same request has the same key
    requested_by        text not null default '',
    state               text not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'partial', 'held', 'failed', 'cancelled')),
    attempt             integer not null default 0, -- executions so far
    fence               bigint not null default 0,  -- grows with each execution; only the newest may write
    queued_at           timestamptz not null default now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    cancel_requested_at timestamptz,
    not_before          timestamptz,
    wait_reason         text not null default '',
    pages               integer not null default 0,
    passes              integer not null default 0,
    records             integer not null default 0,
    records_total       integer not null default 0, -- as far as is known
    complete            boolean not null default false,
    created             integer not null default 0,
    linked              integer not null default 0,
    refreshed           integer not null default 0,
    unchanged           integer not null default 0,
    ambiguous           integer not null default 0,
    skipped             integer not null default 0,
    failed              integer not null default 0,
    error               text not null default '',
    cursor              jsonb, -- checkpoint, written with each page
    constraint runs_tenant_id unique (tenant, id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade,
    check (state <> 'running' or started_at is not null),
    check ((finished_at is null) = (state in ('queued', 'running')))
) with (fillfactor = 50); -- rewritten at every page, so leave room beside the row

create unique index runs_same_request on halosync.runs (tenant, connection_id, kind, request_key)
    where state in ('queued', 'running');
-- One run at a time walks through a connection's clients.
create unique index runs_one_bulk on halosync.runs (connection_id)
    where state = 'running' and kind in ('import', 'resync');
create index runs_by_time on halosync.runs (tenant, queued_at desc, id desc);

-- What needs a person, at most 1,000 a run.
create table halosync.run_items (
    tenant     text not null check (length(tenant) between 1 and 200),
    run_id     uuid not null,
    seq        integer not null check (seq between 1 and 1000),
    client_id  bigint check (client_id > 0),
    company_id uuid,
    outcome    text not null,
    reason     text not null default '',
    primary key (run_id, seq),
    foreign key (tenant, run_id) references halosync.runs (tenant, id) on delete cascade
);

-- The ids that each page brought: how a run that goes on after a crash knows
-- what it has seen. Deleted when the run ends.
create table halosync.run_pages (
    tenant     text not null check (length(tenant) between 1 and 200),
    run_id     uuid not null,
    pass       integer not null check (pass >= 0),
    page       integer not null check (page >= 0),
    client_ids bigint[] not null,
    primary key (run_id, pass, page),
    foreign key (tenant, run_id) references halosync.runs (tenant, id) on delete cascade
);
