package main

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/halosync/halosync/halo/halotest"
)

// benchMemory shows that a worker needs the same memory whatever a tenant's
// size. Each import and each resync is done by a worker of its own, once: the
// peak hardly varies, and the great ones are long. GOMEMLIMIT is not set.
func benchMemory(ctx context.Context, s *stage, o options, r *report) error {
	var order []contender
	taken := map[string][]sample{}
	for _, clients := range []int{max(o.clients/10, 1), o.clients * 10} {
		steps, err := s.memoryOf(ctx, clients, taken)
		if err != nil {
			return err
		}
		order = append(order, steps...)
	}
	r.table("Memory of the worker, small tenant and great (one round, no warm-up)", order, taken)
	r.line("\nBeyond 250,000 clients the simulator renders each page anew, so wall time is partly its own.")
	peak := func(c contender) float64 { return float64(taken[c.name][0].Peak) }
	r.goals(
		atMost("peak memory of the great import over that of the small one", 1.2, peak(order[2])/peak(order[0])),
		atMost("peak memory of the great resync over that of the small one", 1.2, peak(order[3])/peak(order[1])),
	)
	return nil
}

// memoryOf imports and resyncs a tenant of a size, whose simulator exists no
// longer than that.
func (s *stage) memoryOf(ctx context.Context, clients int, taken map[string][]sample) (steps []contender, err error) {
	h, err := newHalo(clients, halotest.Profile{})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	past := &history{stage: s, halo: h}
	defer func() { err = errors.Join(err, past.end(ctx)) }()
	steps = []contender{
		{fmt.Sprintf("import of %d clients", clients), past.first},
		{fmt.Sprintf("resync of %d clients", clients), past.resync},
	}
	now, err := take(ctx, 1, steps...)
	maps.Copy(taken, now)
	return steps, err
}
