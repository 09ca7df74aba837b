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

// benchBudget uses Halo's budget of 700 requests in any five minutes, scaled
// down to 50 in a second.
const (
	budgetRequests = 50
	budgetWindow   = time.Second
	budgetWindows  = 100 // length of the import in windows
	// budgetRows is the page size. With small pages, the rows written per second are close
	// to those that Halo's budget allows: 2.3 pages of 100 rows.
	budgetRows = 10
)

// These are keys of [sample.Other], besides keyRequests.
const (
	keyRefused = "429"
	keyWhole   = "time divided by (requests / budget)"
	keySteady  = "the same without the first window"
)

// benchBudget shows how much of a request budget an import leaves unused. The
// simulator has the same budget and answers 429 to further requests.
func benchBudget(ctx context.Context, b *bench, o options, r *report) error {
	h, err := newHalo(budgetRequests*budgetWindows*budgetRows, halotest.Profile{
		RateLimit: budgetRequests, RateWindow: budgetWindow, PageCap: budgetRows,
	})
	if err != nil {
		return err
	}
	defer h.Close()
	var asked arrivals
	h.OnRequest(asked.note)
	order := []contender{{ours, func(ctx context.Context) (sample, error) { return b.importOnBudget(ctx, h, &asked) }}}
	taken, err := take(ctx, 1, order...)
	if err != nil {
		return err
	}
	r.table(fmt.Sprintf("Import under a budget of %d requests in any %v, for %d windows (one round, no warm-up)",
		budgetRequests, budgetWindow, budgetWindows), order, taken)
	r.line("\nHow to read it: the limiter reserves 3 %% of a budget for people, here one request in %d. It also makes each window"+
		" longer than Halo's, here by 20 ms per window of %v, because requests take time to reach Halo. An import alone can therefore reach"+
		" %.3f here. It can reach %.3f under Halo's 700 requests in 5 minutes, because 21 requests are reserved and 250 ms are added."+
		" At the start, half of the budget is used at once, which improves the first figure by up to half a window out of %d. The second"+
		" figure leaves out the first window. A program that sent the whole budget at the start of every window would need %.0f s."+
		" No program can be faster.",
		budgetRequests, budgetWindow, 50.0/49*1.02, 700.0/679*300.25/300, budgetWindows,
		minUnderBudget(int(other(taken[ours], keyRequests).median())).Seconds())
	r.goals(
		maxGoal(keyWhole, 1.05, other(taken[ours], keyWhole).median()),
		maxGoal(keySteady, 1.05, other(taken[ours], keySteady).median()),
		maxGoal("answers of 429", 0, other(taken[ours], keyRefused).sum()),
	)
	return nil
}

// importOnBudget measures an import and its use of the budget. A few requests
// that test the connection also use the budget but are not counted, so the
// figures are slightly too high.
func (b *bench) importOnBudget(ctx context.Context, h *halotest.Halo, asked *arrivals) (took sample, err error) {
	err = b.withDatabase(ctx, h, func(d *database, connection string) error {
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

// onBudget returns the time that requests take at the budget's rate.
func onBudget(requests int) time.Duration {
	return time.Duration(requests) * budgetWindow / budgetRequests
}

// minUnderBudget returns the shortest time that the budget allows between the
// first and the last request.
func minUnderBudget(requests int) time.Duration {
	return time.Duration(max(requests-1, 0)/budgetRequests) * budgetWindow
}

// arrivals holds the times of the requests that count towards the limit.
type arrivals struct {
	mu      sync.Mutex
	at      []time.Time
	refused int
}

// note records a request. It is a hook for [halotest.Halo.OnRequest].
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

// all returns the times in ascending order and the number of 429 answers.
func (a *arrivals) all() (at []time.Time, refused int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(slices.Values(a.at), time.Time.Compare), a.refused
}

// after returns the times that are not within the first span.
func after(at []time.Time, first time.Duration) []time.Time {
	i := slices.IndexFunc(at, func(t time.Time) bool { return t.Sub(at[0]) >= first })
	if i < 0 {
		return nil
	}
	return at[i:]
}
