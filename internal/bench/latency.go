package main

import (
	"context"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// latency is how long each of the simulator's answers takes in benchLatency;
// a hosted Halo PSA is not faster.
const latency = 50 * time.Millisecond

// benchLatency shows that pages are read ahead: what an import takes is the
// pages' latency over the window, whatever is done with them meanwhile. The
// token, the look at the end of the list and the start of the run come on top
// and are the same for any size, so the list must not be too short.
func benchLatency(ctx context.Context, s *stage, o options, r *report) error {
	clients := max(o.clients, 2000)
	h, err := newHalo(clients, halotest.Profile{Latency: latency})
	if err != nil {
		return err
	}
	defer h.Close()
	order := []contender{
		{ours, func(ctx context.Context) (sample, error) { return s.importNew(ctx, h) }},
		{floorRead, func(ctx context.Context) (sample, error) { return s.plainly(ctx, h, "decode", window) }},
	}
	taken, err := compare(ctx, o.rounds, order...)
	if err != nil {
		return err
	}
	least := leastOf(pagesOf(clients), window, latency)
	r.table(fmt.Sprintf("Import of %d new clients, %v per answer, %d pages on their way", clients, latency, window), order, taken)
	r.line("\n%d pages x %v / %d is %.2f s, which even (b) does not reach: to start, to send and to read an answer takes time, too. Over (b) the import takes %.3f.",
		pagesOf(clients), latency, window, least.Seconds(), walls(taken[ours]).median()/walls(taken[floorRead]).median())
	r.goals(atMost("wall time over pages x latency / window", 1.15, walls(taken[ours]).median()/least.Seconds()))
	return nil
}

// pagesOf is how many pages so many clients fill.
func pagesOf(clients int) int { return (clients + pageRows - 1) / pageRows }

// pageRows is the greatest page that Halo gives.
const pageRows = 100

// leastOf is how long pages take that are read so many at once.
func leastOf(pages, atOnce int, each time.Duration) time.Duration {
	return time.Duration(pages) * each / time.Duration(atOnce)
}
