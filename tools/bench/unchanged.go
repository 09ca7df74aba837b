package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// benchUnchanged takes these steps, in order.
const (
	stepImport   = "first import"
	stepReimport = "import again, nothing changed"
	stepResync   = "resync, nothing changed"
	stepRenamed  = "resync, 1 % renamed"
)

// benchUnchanged shows that an import writes only changes.
func benchUnchanged(ctx context.Context, b *bench, o options, r *report) error {
	h, err := newHalo(o.clients, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	past := &history{bench: b, halo: h}
	order := []contender{
		{stepImport, past.first}, {stepReimport, past.reimport}, {stepResync, past.resync}, {stepRenamed, past.rename},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err := errors.Join(err, past.end(ctx)); err != nil {
		return err
	}
	r.table(fmt.Sprintf("%d clients: imported, imported again, reconciled", o.clients), order, taken)
	r.writes("Requests to Halo (including the token) and rows written", order, taken)
	r.line("\nThe first change to a block after a checkpoint logs the whole block (8 kB, minus its free space).")
	wal := func(step string) float64 { return other(taken[step], keyWAL).median() }
	r.goals(
		maxGoal("rows rewritten by the second import", 0, rewritten(taken[stepReimport], dataTables()...).median()),
		maxGoal("rows rewritten by the resync", 0, rewritten(taken[stepResync], dataTables()...).median()),
		maxGoal("bytes of WAL of the second import divided by those of the first", 0.01, wal(stepReimport)/wal(stepImport)),
		maxGoal("rows rewritten for each renamed client: catalogue, mapping, event", 3,
			rewritten(taken[stepRenamed], dataTables()...).median()/float64(past.renamed)),
	)
	return nil
}

// benchMemory shows that the worker's memory does not depend on the size of the
// tenant. Each step has its own worker and runs once, because the peak hardly
// varies. GOMEMLIMIT is not set.
func benchMemory(ctx context.Context, b *bench, o options, r *report) error {
	var order []contender
	taken := map[string][]sample{}
	for _, clients := range []int{max(o.clients/10, 1), o.clients * 10} {
		steps, err := b.memoryOf(ctx, clients, taken)
		if err != nil {
			return err
		}
		order = append(order, steps...)
	}
	r.table("Memory of the worker, small and large tenant (one round, no warm-up)", order, taken)
	r.line("\nBeyond 250,000 clients the simulator renders each page again, so part of the wall time is the simulator's.")
	peak := func(c contender) float64 { return float64(taken[c.name][0].Peak) }
	r.goals(
		maxGoal("peak memory of the large import divided by that of the small one", 1.2, peak(order[2])/peak(order[0])),
		maxGoal("peak memory of the large resync divided by that of the small one", 1.2, peak(order[3])/peak(order[1])),
	)
	return nil
}

// memoryOf adds samples of an import and a resync of one tenant to taken.
func (b *bench) memoryOf(ctx context.Context, clients int, taken map[string][]sample) (steps []contender, err error) {
	h, err := newHalo(clients, halotest.Profile{})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	past := &history{bench: b, halo: h}
	defer func() { err = errors.Join(err, past.end(ctx)) }()
	steps = []contender{
		{fmt.Sprintf("import of %d clients", clients), past.first},
		{fmt.Sprintf("resync of %d clients", clients), past.resync},
	}
	now, err := take(ctx, 1, steps...)
	maps.Copy(taken, now)
	return steps, err
}

// history is a database for several successive steps, each with a new worker.
type history struct {
	*bench
	halo       *halotest.Halo
	database   *database
	connection string
	round      int
	renamed    int // number of clients in the last rename
}

// first begins a round in a new database.
func (p *history) first(ctx context.Context) (sample, error) {
	if err := p.end(ctx); err != nil {
		return sample{}, err
	}
	p.round++
	var err error
	if p.database, err = p.bench.database(ctx); err != nil {
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

// rename gives one mapped client in a hundred a new name and measures a resync.
func (p *history) rename(ctx context.Context) (sample, error) {
	t := p.halo.Tenant("")
	p.renamed = 0
	mapped := 0
	for _, c := range t.Clients() {
		if !mappable(c) {
			continue
		}
		if mapped%100 == 0 && t.Rename(c.ID, fmt.Sprintf("Renamed %d in round %d", c.ID, p.round)) {
			p.renamed++
		}
		mapped++
	}
	return p.resync(ctx)
}

// mappable reports whether an import creates a company for the client.
func mappable(c halotest.Client) bool { return !c.Inactive && c.ID != 1 && c.Name != "" }
