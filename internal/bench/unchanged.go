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
	past := &history{stage: s, halo: h}
	order := []contender{
		{stepImport, past.first}, {stepReimport, past.reimport}, {stepResync, past.resync}, {stepRenamed, past.renamed},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err := errors.Join(err, past.end(ctx)); err != nil {
		return err
	}
	r.table(fmt.Sprintf("%d clients: imported, imported again, reconciled", o.clients), order, taken)
	r.writes("What each of them asked of Halo, the token included, and the rows it wrote", order, taken)
	r.line("\nThe first change of a block after a checkpoint logs the whole block, of 8 kB less what is free in it.")
	wal := func(step string) float64 { return other(taken[step], keyWAL).median() }
	r.goals(
		atMost("rows rewritten by the second import", 0, rewritten(taken[stepReimport], ourTables()...).median()),
		atMost("rows rewritten by the resync", 0, rewritten(taken[stepResync], ourTables()...).median()),
		atMost("bytes of log of the second import over those of the first", 0.01, wal(stepReimport)/wal(stepImport)),
		atMost("rows rewritten for each renamed client: catalogue, mapping, event", 3,
			rewritten(taken[stepRenamed], ourTables()...).median()/float64(past.lastRenamed)),
	)
	return s.cheaperWay(ctx, h, r, other(taken[stepResync], keyRequests).median())
}

// history is one database that several steps are made in, a fresh worker each.
type history struct {
	*stage
	halo        *halotest.Halo
	database    *database
	connection  string
	round       int
	lastRenamed int // clients
}

// first begins a round, in a database of its own.
func (p *history) first(ctx context.Context) (sample, error) {
	if err := p.end(ctx); err != nil {
		return sample{}, err
	}
	p.round++
	var err error
	if p.database, err = p.stage.database(ctx); err != nil {
		return sample{}, err
	}
	if p.connection, err = p.database.connect(ctx, p.halo); err != nil {
		return sample{}, err
	}
	return p.reimport(ctx)
}

func (p *history) end(ctx context.Context) error {
	if p.database == nil {
		return nil
	}
	d := p.database
	p.database = nil
	return d.drop(ctx)
}

func (p *history) reimport(ctx context.Context) (sample, error) {
	return p.database.writing(ctx, p.halo, func() (time.Duration, error) { return p.database.importAll(ctx, p.connection) })
}

func (p *history) resync(ctx context.Context) (sample, error) {
	return p.database.writing(ctx, p.halo, func() (time.Duration, error) { return p.database.resyncAll(ctx, p.connection) })
}

// renamed is a resync after one client in a hundred got another name, other
// than in the rounds before.
func (p *history) renamed(ctx context.Context) (sample, error) {
	t := p.halo.Tenant("")
	p.lastRenamed = 0
	for i, id := range mappable(t) {
		if i%100 == 0 && t.Rename(id, fmt.Sprintf("Renamed %d for the %dth time", id, p.round)) {
			p.lastRenamed++
		}
	}
	return p.resync(ctx)
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
