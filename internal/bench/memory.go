package main

import (
	"context"
	"fmt"

	"github.com/halosync/halosync/halo/halotest"
)

// benchMemory shows that a worker needs the same memory whatever a tenant's
// size. Each import is done by a worker of its own, once: the peak hardly
// varies, and the great import is long. GOMEMLIMIT is not set.
func benchMemory(ctx context.Context, s *stage, o options, r *report) error {
	var order []contender
	for _, clients := range []int{max(o.clients/10, 1), o.clients * 10} {
		order = append(order, contender{fmt.Sprintf("%d clients", clients), func(ctx context.Context) (sample, error) {
			return s.importOf(ctx, clients)
		}})
	}
	taken, err := take(ctx, 1, order...)
	if err != nil {
		return err
	}
	r.table("Memory of the worker, small tenant and great (one round, no warm-up)", order, taken)
	r.line("\nThe simulator renders the rows of the great one anew for each page, so wall time is partly its own.")
	peak := func(c contender) float64 { return float64(taken[c.name][0].Peak) }
	r.goals(atMost("peak memory with the great tenant over that with the small one", 1.2, peak(order[1])/peak(order[0])))
	return nil
}

// importOf imports from a simulator that exists no longer than that.
func (s *stage) importOf(ctx context.Context, clients int) (sample, error) {
	h, err := newHalo(clients, halotest.Profile{})
	if err != nil {
		return sample{}, err
	}
	defer h.Close()
	return s.importNew(ctx, h)
}
