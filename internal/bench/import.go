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

// window is how many pages an import has on their way at once by default.
const window = 4

// The contenders of the import of new clients.
const (
	ours       = "halosync"
	floorFetch = "(a) fetch"
	floorRead  = "(b) fetch and decode"
	floorCopy  = "(c) COPY in psql"
	rivalRows  = "(e) row by row"
	rivalTasks = "(e) a task per page"
	rivalWhole = "a task per page, all four tables"
)

// benchImport is the import of new clients, next to its floors and rivals.
func benchImport(ctx context.Context, s *stage, o options, r *report) error {
	h, err := newHalo(o.clients, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	staging := filepath.Join(s.dir, "staging.csv")
	if err := writeStaging(staging, h); err != nil {
		return err
	}
	order := []contender{
		{ours, func(ctx context.Context) (sample, error) { return s.importNew(ctx, h) }},
		{floorFetch, func(ctx context.Context) (sample, error) { return s.plainly(ctx, h, "fetch", window) }},
		{floorRead, func(ctx context.Context) (sample, error) { return s.plainly(ctx, h, "decode", window) }},
		{floorCopy, func(ctx context.Context) (sample, error) { return s.copyRows(ctx, h, staging) }},
		{rivalRows, func(ctx context.Context) (sample, error) { return s.plainly(ctx, h, "rows", 1) }},
		{rivalTasks, func(ctx context.Context) (sample, error) { return s.plainly(ctx, h, "tasks", rivalTasksAtOnce) }},
		{rivalWhole, func(ctx context.Context) (sample, error) { return s.plainly(ctx, h, "whole", rivalTasksAtOnce) }},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err != nil {
		return err
	}
	r.table(fmt.Sprintf("Import of %d new clients, no latency, no limit", o.clients), order, taken)
	wall := func(name string) float64 { return walls(taken[name]).median() }
	r.goals(
		atMost("wall time over the greater of (b) and (c)", 1.5, wall(ours)/max(wall(floorRead), wall(floorCopy))),
		atLeast("times faster than row by row, which writes one table of our four", 4, wall(rivalRows)/wall(ours)),
		atLeast("times faster than a task per page, which writes one table of our four", 1.2, wall(rivalTasks)/wall(ours)),
		atMost("CPU time of the worker over that of a task per page", 1.2, cpus(taken[ours]).median()/cpus(taken[rivalTasks]).median()),
	)
	return nil
}

// importNew is one import into an empty database.
func (s *stage) importNew(ctx context.Context, h *halotest.Halo, settings ...string) (took sample, err error) {
	err = s.with(ctx, h, func(d *database, connection string) error {
		took, err = d.byWorker(ctx, func() (time.Duration, error) { return d.importAll(ctx, connection) }, settings...)
		return err
	})
	return took, err
}

// with makes a database with a connection to the simulator for as long as f
// runs.
func (s *stage) with(ctx context.Context, h *halotest.Halo, f func(d *database, connection string) error) error {
	d, err := s.database(ctx)
	if err != nil {
		return err
	}
	connection, err := d.connect(ctx, h)
	if err == nil {
		err = f(d, connection)
	}
	return errors.Join(err, d.drop(ctx))
}

// plainly runs one of the floors and rivals that read from Halo.
func (s *stage) plainly(ctx context.Context, h *halotest.Halo, what string, atOnce int) (took sample, err error) {
	token, err := token(ctx, h.AuthServer())
	if err != nil {
		return took, err
	}
	err = s.with(ctx, h, func(d *database, connection string) error {
		db, err := s.postgresCPU(func() (err error) {
			took, err = runChild(ctx, what, plain{
				Resource: h.ResourceServer(), Token: token, Database: s.postgres.DatabaseURL(d.name), Redis: s.redis.URL(),
				Conn: connection, Pages: pagesOf(h.Tenant("").Len()), AtOnce: atOnce,
			})
			return err
		})
		took.DB = db
		return err
	})
	return took, err
}

// copySQL puts the same rows into the same tables: one COPY, one statement. The
// ids of companies and mappings come with the rows, which costs less than to
// make them.
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

// copyRows is the floor of the writing.
func (s *stage) copyRows(ctx context.Context, h *halotest.Halo, staging string) (took sample, err error) {
	err = s.with(ctx, h, func(d *database, connection string) error {
		script := filepath.Join(s.dir, "copy.sql")
		if err := os.WriteFile(script, fmt.Appendf(nil, copySQL, staging, tenant, connection), 0o600); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--file", script, s.postgres.DatabaseURL(d.name)) //nolint:gosec // our own script
		began := time.Now()
		took.DB, err = s.postgresCPU(func() error {
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

// writeStaging writes what an import makes of the simulator's clients. The
// inactive ones get no company.
func writeStaging(path string, h *halotest.Halo) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	for _, c := range h.Tenant("").Clients() {
		mapping := ""
		if !c.Inactive && c.ID != 1 && c.Name != "" {
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

// storable drops what a database cannot hold.
func storable(name string) string {
	name = strings.ReplaceAll(name, "\x00", "")
	if r := []rune(name); len(r) > 1000 {
		name = string(r[:1000])
	}
	return name
}
