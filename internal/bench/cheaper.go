package main

import (
	"context"
	"fmt"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/tasks"
)

// cheaperWay resyncs a connection that has few mappings of many clients, next
// to the requests that the listing takes.
func (s *stage) cheaperWay(ctx context.Context, h *halotest.Halo, r *report, listing float64) error {
	ids := mappable(h.Tenant(""))
	few := ids[:min(30, len(ids), max(1, pagesOf(len(ids))/2))]
	var took sample
	err := s.with(ctx, h, func(d *database, connection string) error {
		_, err := d.byWorker(ctx, func() (time.Duration, error) {
			return d.ask(ctx, func(c *tasks.Client) (tasks.Receipt, error) {
				return c.Import(ctx, tasks.ImportArgs{Tenant: tenant, ConnectionID: connection, ClientIDs: few})
			})
		})
		if err != nil {
			return err
		}
		took, err = d.writing(ctx, h, func() (time.Duration, error) { return d.resyncAll(ctx, connection) })
		return err
	})
	if err != nil {
		return err
	}
	r.requests("Resync takes the cheaper way", []way{
		{fmt.Sprintf("%d of %d clients mapped", len(few), h.Tenant("").Len()), took.Other[keyRequests], "the listing", listing},
		{fmt.Sprintf("%d of %d clients mapped", len(ids), h.Tenant("").Len()), listing, "each by its id", float64(len(ids))},
	})
	return nil
}

// way is the requests that something took, next to those of another way.
type way struct {
	what     string
	requests float64
	other    string
	instead  float64
}

func (r *report) requests(title string, ways []way) {
	r.line("\n### %s\n", title)
	r.line("| what | requests | the other way | requests |\n|---|---|---|---|")
	for _, w := range ways {
		r.line("| %s | %.0f | %s | %.0f |", w.what, w.requests, w.other, w.instead)
	}
}
