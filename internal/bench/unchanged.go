package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/tasks"
)

// The steps of benchUnchanged, in order.
const (
	stepImport   = "first import"
	stepReimport = "import again, nothing changed"
	stepResync   = "resync, nothing changed"
	stepRenamed  = "resync, 1 % renamed"
)

// ourTables are those that hold what an import is for. The others hold the run:
// its row, its checkpoints, its findings.
func ourTables() []string { return []string{"clients", "companies", "mappings", "events"} }

// runTables hold a run, which is written each time.
func runTables() []string {
	return []string{"runs", "run_pages", "run_findings", "run_items", "connections"}
}

// benchUnchanged shows that what is written follows what has changed.
func benchUnchanged(ctx context.Context, s *stage, o options, r *report) error {
	h, err := newHalo(o.clients, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	again := &again{stage: s, halo: h}
	order := []contender{
		{stepImport, again.first}, {stepReimport, again.reimport}, {stepResync, again.resync}, {stepRenamed, again.renamed},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err := errors.Join(err, again.end(ctx)); err != nil {
		return err
	}
	r.table(fmt.Sprintf("%d clients: imported, imported again, reconciled", o.clients), order, taken)
	r.writes("What each of them asked of Halo, the token included, and the rows it wrote", order, taken)
	wal := func(step string) float64 { return other(taken[step], keyWAL).median() }
	r.goals(
		atMost("rows rewritten by the second import", 0, rewritten(taken[stepReimport], ourTables()...).median()),
		atMost("rows rewritten by the resync", 0, rewritten(taken[stepResync], ourTables()...).median()),
		atMost("bytes of log of the second import over those of the first", 0.01, wal(stepReimport)/wal(stepImport)),
		atMost("rows rewritten for each renamed client: catalogue, mapping, event", 3,
			rewritten(taken[stepRenamed], ourTables()...).median()/float64(again.lastRenamed)),
	)
	return s.cheaperWay(ctx, h, r, other(taken[stepResync], keyRequests).median())
}

// again is one database that several steps are made in, a fresh worker each.
type again struct {
	*stage
	halo        *halotest.Halo
	database    *database
	connection  string
	round       int
	lastRenamed int // clients
}

// first begins a round, in a database of its own.
func (a *again) first(ctx context.Context) (sample, error) {
	if err := a.end(ctx); err != nil {
		return sample{}, err
	}
	a.round++
	var err error
	if a.database, err = a.stage.database(ctx); err != nil {
		return sample{}, err
	}
	if a.connection, err = a.database.connect(ctx, a.halo); err != nil {
		return sample{}, err
	}
	return a.reimport(ctx)
}

func (a *again) end(ctx context.Context) error {
	if a.database == nil {
		return nil
	}
	d := a.database
	a.database = nil
	return d.drop(ctx)
}

func (a *again) reimport(ctx context.Context) (sample, error) {
	return a.database.writing(ctx, a.halo, func() (time.Duration, error) { return a.database.importAll(ctx, a.connection) })
}

func (a *again) resync(ctx context.Context) (sample, error) {
	return a.database.writing(ctx, a.halo, func() (time.Duration, error) { return a.database.resyncAll(ctx, a.connection) })
}

// renamed is a resync after one client in a hundred got another name, other
// than in the rounds before.
func (a *again) renamed(ctx context.Context) (sample, error) {
	t := a.halo.Tenant("")
	a.lastRenamed = 0
	for i, id := range mappable(t) {
		if i%100 == 0 && t.Rename(id, fmt.Sprintf("Renamed %d for the %dth time", id, a.round)) {
			a.lastRenamed++
		}
	}
	return a.resync(ctx)
}

// mappable are the ids of the clients that an import makes companies of.
func mappable(t *halotest.Tenant) []int64 {
	var ids []int64
	for _, c := range t.Clients() {
		if !c.Inactive && c.ID != 1 && c.Name != "" {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// writing is what a fresh worker takes for f, asks of Halo and writes.
func (d *database) writing(ctx context.Context, h *halotest.Halo, f func() (time.Duration, error)) (sample, error) {
	if err := d.settle(ctx); err != nil {
		return sample{}, err
	}
	before, err := d.written(ctx)
	if err != nil {
		return sample{}, err
	}
	h.ResetLog()
	took, err := d.byWorker(ctx, f)
	if err != nil {
		return took, err
	}
	if took.Other, err = d.written(ctx); err != nil {
		return took, err
	}
	for key, n := range before {
		took.Other[key] -= n
	}
	took.Other[keyRequests] = float64(h.Log().Requests)
	return took, nil
}

// resyncAll is importAll for a resync.
func (d *database) resyncAll(ctx context.Context, connection string) (time.Duration, error) {
	return d.ask(ctx, func(c *tasks.Client) (tasks.Receipt, error) {
		return c.Resync(ctx, tasks.ResyncArgs{Tenant: tenant, ConnectionID: connection})
	})
}
