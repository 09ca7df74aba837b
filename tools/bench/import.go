package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
)

const (
	window   = 4   // pages that an import reads ahead by default
	pageRows = 100 // the maximum number of rows on a page
	// latency is the latency of each answer in benchLatency. A hosted Halo PSA
	// is slower.
	latency = 50 * time.Millisecond
)

// These contenders import new clients.
const (
	ours        = "halosync"
	floorDecode = "floor: fetch and decode"
	floorCopy   = "floor: COPY in psql"
	rivalRows   = "row by row"
	rivalTasks  = "a task per page"
)

// benchImport compares the import of new clients with its floors and rivals.
func benchImport(ctx context.Context, b *bench, o options, r *report) error {
	h, err := newHalo(o.clients, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	staging := filepath.Join(b.dir, "staging.csv")
	if err := writeStaging(staging, h); err != nil {
		return err
	}
	order := []contender{
		{ours, func(ctx context.Context) (sample, error) { return b.importNew(ctx, h) }},
		{floorDecode, func(ctx context.Context) (sample, error) { return b.runRival(ctx, h, "decode") }},
		{floorCopy, func(ctx context.Context) (sample, error) { return b.copyRows(ctx, h, staging) }},
		{rivalRows, func(ctx context.Context) (sample, error) { return b.runRival(ctx, h, "rows") }},
		{rivalTasks, func(ctx context.Context) (sample, error) { return b.runRival(ctx, h, "tasks") }},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err != nil {
		return err
	}
	r.table(fmt.Sprintf("Import of %d new clients, no latency, no limit", o.clients), order, taken)
	wall := func(name string) float64 { return walls(taken[name]).median() }
	r.goals(
		maxGoal("wall time divided by that of the slower floor", 1.5, wall(ours)/max(wall(floorDecode), wall(floorCopy))),
		minGoal("times faster than row by row, which writes only one of our four tables", 4, wall(rivalRows)/wall(ours)),
		minGoal("times faster than a task per page, which writes only one of our four tables", 1.2, wall(rivalTasks)/wall(ours)),
		maxGoal("CPU time of the worker divided by that of a task per page", 1.2, cpus(taken[ours]).median()/cpus(taken[rivalTasks]).median()),
	)
	return nil
}

// benchLatency measures an import that waits for Halo. With pages read ahead,
// it takes the latency of all pages divided by the window. The token, the end
// of the list and the start of the run cost extra time at any size, so the list
// must not be too short.
func benchLatency(ctx context.Context, b *bench, o options, r *report) error {
	clients := max(o.clients, 2000)
	h, err := newHalo(clients, halotest.Profile{Latency: latency})
	if err != nil {
		return err
	}
	defer h.Close()
	order := []contender{
		{ours, func(ctx context.Context) (sample, error) { return b.importNew(ctx, h) }},
		{floorDecode, func(ctx context.Context) (sample, error) { return b.runRival(ctx, h, "decode") }},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err != nil {
		return err
	}
	ideal := minLatency(pagesOf(clients), window, latency)
	r.table(fmt.Sprintf("Import of %d new clients, %v per answer, %d requests at the same time", clients, latency, window), order, taken)
	r.line("\n%d pages x %v / %d is %.2f s. The floor takes longer, because each request and answer also takes time. Import divided by floor: %.3f.",
		pagesOf(clients), latency, window, ideal.Seconds(), walls(taken[ours]).median()/walls(taken[floorDecode]).median())
	r.goals(maxGoal("wall time divided by (pages x latency / window)", 1.15, walls(taken[ours]).median()/ideal.Seconds()))
	return nil
}

// pagesOf returns the number of pages that hold the clients.
func pagesOf(clients int) int { return (clients + pageRows - 1) / pageRows }

// minLatency returns the time that pages take if only their latency matters.
func minLatency(pages, requests int, latency time.Duration) time.Duration {
	return time.Duration(pages) * latency / time.Duration(requests)
}

// importNew measures an import into an empty database.
func (b *bench) importNew(ctx context.Context, h *halotest.Halo, settings ...string) (took sample, err error) {
	err = b.withDatabase(ctx, h, func(d *database, connection string) error {
		took, err = d.byWorker(ctx, func() (time.Duration, error) { return d.importAll(ctx, connection) }, settings...)
		return err
	})
	return took, err
}

// runRival measures a child process that reads from Halo.
func (b *bench) runRival(ctx context.Context, h *halotest.Halo, kind string) (took sample, err error) {
	token, err := token(ctx, h.AuthServer())
	if err != nil {
		return took, err
	}
	err = b.withDatabase(ctx, h, func(d *database, connection string) error {
		db, err := b.postgresCPU(func() (err error) {
			took, err = runChild(ctx, kind, job{
				Resource: h.ResourceServer(), Token: token, Database: b.postgres.DatabaseURL(d.name), Redis: b.redis.URL(),
				Connection: connection, Pages: pagesOf(h.Tenant("").Len()), Requests: window,
			})
			return err
		})
		took.DB = db
		return err
	})
	return took, err
}

// copySQL writes the rows of an import into the same tables with one COPY and
// one statement. The ids of companies and mappings are in the file, because
// generating them would take longer.
const copySQL = `
\set ON_ERROR_STOP on
create temp table staging (id bigint, name text, inactive boolean, top_id bigint, top_name text, norm text, company uuid, mapping uuid);
\copy staging from '%s' with (format csv)
with c as (
	insert into halosync.clients (tenant, connection_id, client_id, name, inactive, toplevel_id, toplevel_name)
	select '%[2]s', '%[3]s', id, name, inactive, top_id, top_name from staging
	on conflict (connection_id, client_id) do update set name = excluded.name, inactive = excluded.inactive),
co as (
	insert into halosync.companies (tenant, id, name, norm_name) select '%[2]s', company, name, norm from staging where mapping is not null
	on conflict (tenant, id) do nothing),
m as (
	insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state, last_verified_at)
	select '%[2]s', mapping, '%[3]s', company, id, name, inactive, 'import', 'ok', now() from staging where mapping is not null
	on conflict (tenant, id) do nothing)
insert into halosync.events (tenant, actor, action, how, connection_id, company_id, mapping_id, client_id, after)
select '%[2]s', 'bench', 'company.created', 'import', '%[3]s'::uuid, company, null, null, jsonb_build_object('name', name) from staging where mapping is not null
union all
select '%[2]s', 'bench', 'mapping.created', 'import', '%[3]s', company, mapping, id,
	jsonb_build_object('client_name', name, 'client_inactive', inactive, 'state', 'ok') from staging where mapping is not null;
`

// copyRows measures the floor for writing.
func (b *bench) copyRows(ctx context.Context, h *halotest.Halo, staging string) (took sample, err error) {
	err = b.withDatabase(ctx, h, func(d *database, connection string) error {
		script := filepath.Join(b.dir, "copy.sql")
		if err := os.WriteFile(script, fmt.Appendf(nil, copySQL, staging, tenant, connection), 0o600); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--file", script, b.postgres.DatabaseURL(d.name)) //nolint:gosec // the script is constant
		began := time.Now()
		took.DB, err = b.postgresCPU(func() error {
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("psql: %w: %s", err, out)
			}
			return nil
		})
		took.Wall = time.Since(began)
		return err
	})
	return took, err
}

// writeStaging writes the rows that an import derives from the simulator's
// clients. Only the rows of clients that an import maps have the id of a
// mapping.
func writeStaging(path string, h *halotest.Halo) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // the path is in the program's own folder
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	for _, c := range h.Tenant("").Clients() {
		mapping := ""
		if mappable(c) {
			mapping = uuid.Must(uuid.NewV7()).String()
		}
		top, topName := "", ""
		if c.TopLevelID != 0 {
			top, topName = strconv.FormatInt(c.TopLevelID, 10), c.TopLevelName
		}
		err := w.Write([]string{
			strconv.FormatInt(c.ID, 10), storable(c.Name), strconv.FormatBool(c.Inactive), top, topName,
			storable(c.Name), uuid.Must(uuid.NewV7()).String(), mapping,
		})
		if err != nil {
			return err
		}
	}
	w.Flush()
	return errors.Join(w.Error(), f.Sync())
}

// storable returns the part of a name that the database accepts.
func storable(name string) string {
	name = strings.ReplaceAll(name, "\x00", "")
	if r := []rune(name); len(r) > 1000 {
		name = string(r[:1000])
	}
	return name
}
