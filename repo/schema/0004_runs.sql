-- +goose Up
-- The ledger: one row for each run, written when the run is requested.
create table halosync.runs (
    id                  uuid primary key,
    tenant              text not null check (length(tenant) between 1 and 200),
    connection_id       uuid not null,
    kind                text not null check (kind in ('import', 'map', 'unmap', 'resync')),
    args                jsonb not null default '{}',
    request_key         text not null check (length(request_key) between 1 and 200), -- equal for equal requests
    requested_by        text not null default '',
    state               text not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'partial', 'held', 'failed', 'cancelled')),
    attempt             integer not null default 0, -- executions so far
    fence               bigint not null default 0,  -- increases with each execution; only the newest execution may write
    queued_at           timestamptz not null default now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    cancel_requested_at timestamptz,
    not_before          timestamptz,
    wait_reason         text not null default '',
    pages               integer not null default 0,
    passes              integer not null default 0,
    records             integer not null default 0,
    records_total       integer not null default 0, -- 0 while unknown
    complete            boolean not null default false,
    created             integer not null default 0,
    linked              integer not null default 0,
    refreshed           integer not null default 0,
    unchanged           integer not null default 0,
    ambiguous           integer not null default 0,
    skipped             integer not null default 0,
    failed              integer not null default 0,
    error               text not null default '',
    cursor              jsonb, -- checkpoint, written with each batch
    missing             integer not null default 0, -- mappings whose client no longer exists in Halo
    unverified          integer not null default 0, -- mappings whose client could not be read
    removed             integer not null default 0, -- mappings that the run unmapped
    dispatched_at       timestamptz, -- when its task was last put into the queue
    approved_at         timestamptz,
    approved_by         text not null default '',
    approved_missing    integer not null default 0, -- number of mappings that an approved run may mark as missing
    beat_at             timestamptz, -- last heartbeat of its execution
    deaths              integer not null default 0, -- consecutive executions that ended with a worker crash and wrote no batch
    stack               text not null default '',   -- stack of the panic that failed the run
    constraint runs_tenant_id unique (tenant, id),
    foreign key (tenant, connection_id) references halosync.connections (tenant, id) on delete cascade,
    check (state <> 'running' or started_at is not null),
    check ((finished_at is null) = (state in ('queued', 'running')))
) with (fillfactor = 50); -- each batch updates the row; free space keeps the new version on the same database page

-- is_bulk reports whether a run reads a connection's list of clients. An import
-- of up to 100 clients by id is not a bulk run: a person waits for it, so it
-- may run while a bulk run is running. The queue's contract defines the same
-- limit.
-- +goose StatementBegin
create function halosync.is_bulk(kind text, args jsonb) returns boolean
language sql immutable parallel safe as $$
    select case
        when kind = 'resync' then true
        when kind <> 'import' then false
        when jsonb_typeof(args -> 'client_ids') = 'array' then jsonb_array_length(args -> 'client_ids') > 100
        else true end
$$;
-- +goose StatementEnd

-- Store.CreateRun and Store.ClaimRun allow one live run for each request.
create unique index runs_same_request on halosync.runs (tenant, connection_id, kind, request_key)
    where state in ('queued', 'running');
-- Store.ClaimRun allows one running bulk run on a connection.
create unique index runs_one_bulk on halosync.runs (connection_id)
    where state = 'running' and halosync.is_bulk(kind, args);
-- Store.Runs lists the newest first; Store.ForgetRuns deletes the oldest.
create index runs_by_time on halosync.runs (tenant, queued_at desc, id desc);
-- Store.ClaimUndispatched, Store.UndispatchAll and Store.OthersWait find the
-- unfinished runs of all tenants.
create index runs_live on halosync.runs (dispatched_at nulls first) where state in ('queued', 'running');

-- Results that need a person's attention, up to 1,000 for each run, and the
-- outcome of each pair in a map request.
create table halosync.run_items (
    tenant     text not null check (length(tenant) between 1 and 200),
    run_id     uuid not null,
    seq        integer not null check (seq between 1 and 10000),
    client_id  bigint check (client_id > 0),
    company_id uuid,
    outcome    text not null,
    reason     text not null default '',
    pair       integer check (pair > 0), -- position in the request, from 1
    settled    boolean not null default false, -- does not need a person's attention
    primary key (run_id, seq),
    foreign key (tenant, run_id) references halosync.runs (tenant, id) on delete cascade
);

-- The client ids on each written page. After a crash, the next execution reads
-- them to find which clients the run has already seen. They are deleted when
-- the run ends.
create table halosync.run_pages (
    tenant     text not null check (length(tenant) between 1 and 200),
    run_id     uuid not null,
    pass       integer not null check (pass >= 0),
    page       integer not null check (page >= 0),
    client_ids bigint[] not null,
    primary key (run_id, pass, page),
    foreign key (tenant, run_id) references halosync.runs (tenant, id) on delete cascade
);

-- Findings of a resync that differ from the mapping. They are stored until the
-- resync has checked that the listing is complete, and deleted when the run
-- ends.
create table halosync.run_findings (
    tenant    text not null check (length(tenant) between 1 and 200),
    run_id    uuid not null,
    client_id bigint not null check (client_id > 0),
    outcome   text not null check (outcome in ('seen', 'missing', 'unverified')),
    name      text not null default '' check (length(name) <= 1000),
    inactive  boolean not null default false,
    reason    text not null default '',
    primary key (run_id, client_id),
    foreign key (tenant, run_id) references halosync.runs (tenant, id) on delete cascade
);
