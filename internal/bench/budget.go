package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// The budget of benchBudget, and how often it is used up. Halo's own, 700
// requests in any five minutes, is compressed in time: 50 in a second.
const (
	budgetRequests = 50
	budgetWindow   = time.Second
	budgetWindows  = 100
)

// budgetRows is how many clients are on a page here. Requests are what this is
// about; small pages keep the rows written in a second near those of the field,
// where 2.3 pages of 100 come in one.
const budgetRows = 10

// What of an import under a budget is in [sample.Other], beside keyRequests.
const (
	keyRefused = "429"
	keyWhole   = "time over requests / budget"
	keySteady  = "the same without the first window"
)

// benchBudget shows what of a request budget goes unused while there is work.
// The simulator holds the same budget, and answers 429 beyond it.
func benchBudget(ctx context.Context, s *stage, o options, r *report) error {
	h, err := newHalo(budgetRequests*budgetWindows*budgetRows, halotest.Profile{
		RateLimit: budgetRequests, RateWindow: budgetWindow, PageCap: budgetRows,
	})
	if err != nil {
		return err
	}
	defer h.Close()
	var asked arrivals
	h.OnRequest(asked.note)
	order := []contender{{ours, func(ctx context.Context) (sample, error) { return s.importOnBudget(ctx, h, &asked) }}}
	taken, err := take(ctx, 1, order...)
	if err != nil {
		return err
	}
	r.table(fmt.Sprintf("Import under a budget of %d requests in any %v, for %d windows (one round, no warm-up)",
		budgetRequests, budgetWindow, budgetWindows), order, taken)
	r.line("\nHow to read it: the limiter keeps 3 %% of a budget for people, here one request of %d, and takes each window"+
		" for longer than Halo's, here by 20 ms of %v, because requests travel. An import alone can thus reach %.3f here, and %.3f"+
		" under Halo's 700 in 5 minutes, of which 21 are kept and 250 ms added. At the start half of the budget goes out at once,"+
		" which flatters the first figure by up to half a window in %d; the second one leaves the first window out. A budget that"+
		" went out at once at the start of every window would end after %.0f s, the least that any program can take, and be silent in between.",
		budgetRequests, budgetWindow, 50.0/49*1.02, 700.0/679*300.25/300, budgetWindows,
		leastUnder(int(other(taken[ours], keyRequests).median())).Seconds())
	r.goals(
		atMost(keyWhole, 1.05, other(taken[ours], keyWhole).median()),
		atMost(keySteady, 1.05, other(taken[ours], keySteady).median()),
		atMost("answers of 429 in all rounds", 0, other(taken[ours], keyRefused).sum()),
	)
	return nil
}

// importOnBudget is one import; what it came to of the budget is in Other. The
// few requests that tested the connection before are not counted: they are out
// of the same window, which makes the figures worse by that much.
func (s *stage) importOnBudget(ctx context.Context, h *halotest.Halo, asked *arrivals) (took sample, err error) {
	err = s.with(ctx, h, func(d *database, connection string) error {
		asked.reset()
		took, err = d.byWorker(ctx, func() (time.Duration, error) { return d.importAll(ctx, connection) },
			fmt.Sprintf("HALOSYNC_RATE_LIMIT=%d/%v", budgetRequests, budgetWindow))
		return err
	})
	if err != nil {
		return took, err
	}
	at, refused := asked.all()
	rest := after(at, budgetWindow)
	if len(rest) < budgetRequests {
		return took, fmt.Errorf("%d requests, %d after the first window: the budget was not used up", len(at), len(rest))
	}
	took.Other = map[string]float64{
		keyRequests: float64(len(at)),
		keyRefused:  float64(refused),
		keyWhole:    took.Wall.Seconds() / onBudget(len(at)).Seconds(),
		keySteady:   rest[len(rest)-1].Sub(rest[0]).Seconds() / onBudget(len(rest)-1).Seconds(),
	}
	return took, nil
}

// onBudget is how long so many requests take at the budget's rate.
func onBudget(requests int) time.Duration {
	return time.Duration(requests) * budgetWindow / budgetRequests
}

// leastUnder is the least time between the first and the last of so many
// requests that no window forbids: as many as it allows at once, a window
// later again.
func leastUnder(requests int) time.Duration {
	return time.Duration(max(requests-1, 0)/budgetRequests) * budgetWindow
}

// arrivals are the times of the requests that the limit is about.
type arrivals struct {
	mu      sync.Mutex
	at      []time.Time
	refused int
}

// note is for [halotest.Halo.OnRequest].
func (a *arrivals) note(r halotest.Request) {
	if r.Route != halotest.RouteList && r.Route != halotest.RouteDetail {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = append(a.at, r.Start)
	if r.Status == http.StatusTooManyRequests {
		a.refused++
	}
}

func (a *arrivals) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at, a.refused = nil, 0
}

// all are the times so far, ascending, and how many of the requests were
// answered with 429.
func (a *arrivals) all() (at []time.Time, refused int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(slices.Values(a.at), time.Time.Compare), a.refused
}

// after leaves out the times of the first span.
func after(at []time.Time, first time.Duration) []time.Time {
	i := slices.IndexFunc(at, func(t time.Time) bool { return t.Sub(at[0]) >= first })
	if i < 0 {
		return nil
	}
	return at[i:]
}
