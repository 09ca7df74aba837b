package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// Halo's limit is 700 requests in 5 minutes. The tests compress time: 200
// requests in 10 seconds is nearly nine times that rate, with the same shares.
const (
	budgetLimit  = 200
	budgetWindow = 10 * time.Second
	budgetRate   = "200/10s"
)

// limited configures a Halo with that limit for all requests, including token
// calls. Its pages are small, so that a short import causes many requests. A
// busy machine sends some requests late, and late requests arrive closer
// together. In the short form, Halo's window is therefore shorter than the
// window of the workers' budget. A fleet that did not share its budget would
// still far exceed the limit.
func limited() halotest.Option {
	window := budgetWindow * 6 / 10
	if installation.Long() {
		window = budgetWindow
	}
	return halotest.WithProfile(halotest.Profile{
		RateLimit: budgetLimit, RateWindow: window, RateCountsToken: true,
		RetryAfter: halotest.RetryAfterSeconds, PageCap: 10,
	})
}

// arrivals records when requests arrive at a Halo and which of them Halo
// refuses.
type arrivals struct {
	mu      sync.Mutex
	times   []time.Time
	refused int
}

func observe(in *installation.Installation) *arrivals {
	a := &arrivals{}
	in.Halo.OnRequest(func(r halotest.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.times = append(a.times, r.Start)
		if r.Status == http.StatusTooManyRequests {
			a.refused++
		}
	})
	return a
}

// windows counts the requests in each full window between the first request and the time
// end.
func (a *arrivals) windows(end time.Time) []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.times) == 0 {
		return nil
	}
	counts := make([]int, end.Sub(a.times[0])/budgetWindow)
	for _, at := range a.times {
		if w := int(at.Sub(a.times[0]) / budgetWindow); w < len(counts) {
			counts[w]++
		}
	}
	return counts
}

// connectTenants adds a connection named "halo" to the installation's Halo for
// each of the tenants msp-1 to msp-n.
func connectTenants(in *installation.Installation, n int) {
	in.T.Helper()
	store := in.Store()
	for i := range n {
		in.AddConnection(store, fmt.Sprint("msp-", i+1), "halo", "")
	}
}

// wantSucceeded checks that all n runs have succeeded without a failed attempt.
func wantSucceeded(in *installation.Installation, n int) {
	in.T.Helper()
	if got := repotest.Value[int](in.T, in.DB, `select count(*) from halosync.runs where state = 'succeeded' and error = ''`); got != n {
		in.T.Errorf("%d of %d runs succeeded: %s", got, n,
			repotest.Value[string](in.T, in.DB, `select string_agg(state || ' ' || coalesce(error, ''), '; ') from halosync.runs`))
	}
}

// browseAsPerson lists clients with its own engine, as the CLI does. For each
// request, it returns the delay that the budget caused.
func browseAsPerson(ctx context.Context, in *installation.Installation, every time.Duration) (waits []time.Duration, err error) {
	address, err := tasks.ParseAddress(in.Redis)
	if err != nil {
		return nil, err
	}
	rdb := address.Connect()
	defer func() { err = errors.Join(err, rdb.Close()) }()
	rate, err := ratelimit.ParseRate(budgetRate)
	if err != nil {
		return nil, err
	}
	limiter := ratelimit.New(ratelimit.Options{Redis: rdb, Rate: rate, MaxWait: time.Minute})
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		return nil, err
	}
	eng := enginetest.New(enginetest.Config{
		Store: in.Store(), Allow: allow, Throttled: limiter.Throttled,
		Budget: func(ctx context.Context, instance, limit string, class ratelimit.Class) error {
			began := time.Now()
			err := limiter.Wait(ctx, instance, limit, class)
			waits = append(waits, time.Since(began)) // requests are sequential
			return err
		},
	})
	for ticker := time.NewTicker(every); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return waits, nil
		case <-ticker.C:
		}
		if _, err := eng.Browse(context.WithoutCancel(ctx), "msp-1", "halo", engine.BrowseQuery{}); err != nil {
			return waits, err
		}
	}
}

// Four worker processes and a person share several connections to one Halo.
// They cause no 429, and the person does not have to wait. The long form also checks that
// nearly the whole budget is used.
func TestFourWorkersShareOneBudget(t *testing.T) {
	tenants, clients, patience := 4, 1000, 5*time.Second // some 100 requests each
	if installation.Long() {                             // not parallel, because other tests would slow this one so much that it would not use its budget
		clients, patience = 2400, time.Second
	} else {
		t.Parallel()
	}
	in := installation.New(t, limited())
	in.Env = []string{"HALOSYNC_RATE_LIMIT=" + budgetRate}
	in.Tenant.Seed(clients, 7)
	connectTenants(in, tenants)
	seen := observe(in)
	workers := make([]*installation.Worker, 4)
	for i := range workers {
		workers[i] = in.StartWorker()
	}
	for i := range tenants {
		in.Must("import", "--tenant", fmt.Sprint("msp-", i+1), "--connection", "halo", "--all")
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var browsing sync.WaitGroup
	var waits []time.Duration
	var failed error
	browsing.Go(func() { waits, failed = browseAsPerson(ctx, in, 3*time.Second) })
	var end time.Time // end of the measured work; a single remaining import need not use the whole budget
	in.Eventually("an import has ended", func() bool {
		end = time.Now()
		return in.Unfinished() < tenants
	})
	in.Eventually("all imports have ended", func() bool { return in.Unfinished() == 0 })
	cancel()
	browsing.Wait()
	if failed != nil {
		t.Error(failed)
	}
	wantSucceeded(in, tenants)

	log := in.Halo.Log()
	windows, used := seen.windows(end), 0
	for _, n := range windows {
		used += n
	}
	t.Logf("%d requests; %d in the fullest of all windows of %v, limit %d; in the windows with work %v: %.1f %% of the budget; a person's %d requests waited for at most %v",
		log.Requests, log.MaxInWindow, budgetWindow, budgetLimit, windows, 100*float64(used)/float64(len(windows)*budgetLimit), len(waits), longest(waits))
	if log.MaxInWindow > budgetLimit || log.Statuses[http.StatusTooManyRequests] > 0 {
		t.Errorf("%d requests in a window, %d answers 429", log.MaxInWindow, log.Statuses[http.StatusTooManyRequests])
	}
	if installation.Long() && (len(windows) < 3 || used*100 < len(windows)*budgetLimit*95) {
		t.Errorf("%v used of %d in each window, want 95 %%", windows, budgetLimit)
	}
	if len(waits) == 0 || longest(waits) > patience {
		t.Errorf("a person waited for %v", waits)
	}
	for _, w := range workers {
		w.Stop(t)
	}
}

func longest(waits []time.Duration) (result time.Duration) {
	for _, d := range waits {
		result = max(result, d)
	}
	return result
}

// Halo answers 429 although the fleet stays within its limit, as if another
// system used part of it. The fleet pauses and lowers its limit. The imports
// still succeed, without a failed attempt. The simulated Halo answers 429 to predetermined
// requests, so the test does not depend on the machine's speed. The long form,
// TestForeignSystemTakesItsPart, tests how the limit settles.
func TestFleetLearnsFromThrottling(t *testing.T) {
	t.Parallel()
	const tenants, clients = 4, 400
	in := installation.New(t, limited())
	in.Env = []string{"HALOSYNC_RATE_LIMIT=" + budgetRate}
	in.Tenant.Seed(clients, 7)
	connectTenants(in, tenants)
	in.Halo.Fault(halotest.Rule{Route: halotest.RouteList, Nth: 30}, halotest.Throttle(time.Second))
	in.Halo.Fault(halotest.Rule{Route: halotest.RouteList, Nth: 90}, halotest.Throttle(time.Second))
	workers := []*installation.Worker{in.StartWorker(), in.StartWorker()}
	for i := range tenants {
		in.Must("import", "--tenant", fmt.Sprint("msp-", i+1), "--connection", "halo", "--all")
	}
	in.Eventually("all imports have ended", func() bool { return in.Unfinished() == 0 })
	wantSucceeded(in, tenants)
	throttled, lowered := throttling(t, workers)
	t.Logf("%d of %d requests were answered with 429; the limit was lowered %d times", throttled, in.Halo.Log().Requests, lowered)
	if throttled != 2 || lowered < 1 || lowered > throttled { // the 429s of one burst lower the limit only once
		t.Errorf("%d requests were answered with 429 and the limit was lowered %d times; want 2 requests, and 1 or 2 times", throttled, lowered)
	}
	for _, w := range workers {
		w.Stop(t)
	}
}

// throttling returns how many 429s the workers received and how often they
// lowered their limit.
func throttling(t *testing.T, workers []*installation.Worker) (throttled, lowered int) {
	t.Helper()
	for _, w := range workers {
		throttled += metric(t, w.Page(t, "/metrics"), "halosync_budget_throttled_total")
		lowered += strings.Count(w.Log.String(), "the limit is lowered")
	}
	return throttled, lowered
}

// Another system uses part of the limit. Halo's 429s make the fleet pause and
// lower its limit, and the imports still succeed.
func TestForeignSystemTakesItsPart(t *testing.T) {
	if !installation.Long() {
		t.Skip("long form only (make soak): the other system's share depends on time; TestFleetLearnsFromThrottling is the short form")
	}
	t.Parallel()
	const tenants, clients = 4, 1200
	in := installation.New(t, limited())
	in.Env = []string{"HALOSYNC_RATE_LIMIT=" + budgetRate}
	in.Tenant.Seed(clients, 7)
	connectTenants(in, tenants)

	ctx, cancel := context.WithCancel(t.Context())
	var foreign sync.WaitGroup
	defer func() { cancel(); foreign.Wait() }()
	foreign.Go(func() { // 100 requests in 10 s
		for ticker := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
			}
			if resp, err := http.Get(in.Halo.ResourceServer() + "/Client"); err == nil { // refused, but counted
				resp.Body.Close()
			}
		}
	})
	workers := []*installation.Worker{in.StartWorker(), in.StartWorker()}
	for i := range tenants {
		in.Must("import", "--tenant", fmt.Sprint("msp-", i+1), "--connection", "halo", "--all")
	}
	in.Eventually("all imports have ended", func() bool { return in.Unfinished() == 0 })
	wantSucceeded(in, tenants)
	if n := repotest.Value[int](t, in.DB, `select count(*) from halosync.mappings where deleted_at is null`); n == 0 {
		t.Error("nothing was mapped")
	}

	throttled, lowered := throttling(t, workers)
	t.Logf("%d of %d requests were answered with 429; the limit was lowered %d times", throttled, in.Halo.Log().Requests, lowered)
	if throttled == 0 || lowered == 0 || lowered > throttled {
		t.Errorf("%d answers 429, %d times lowered", throttled, lowered)
	}
	if all := in.Halo.Log().Requests; throttled*10 > all {
		t.Errorf("%d of %d requests were refused: the fleet did not lower its limit enough", throttled, all)
	}
	for _, w := range workers {
		w.Stop(t)
	}
}

// metric returns the value of a counter without labels.
func metric(t *testing.T, page, name string) int {
	t.Helper()
	for line := range strings.Lines(page) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// Redis becomes unreachable during an import. Interactive requests continue
// with a share of the budget, and get the whole budget when Redis is back. (The
// dispatcher's tests cover how the import continues.)
func TestPeopleGoOnWithoutRedis(t *testing.T) {
	t.Parallel()
	in := installation.New(t, limited())
	server := in.PrivateRedis(devstack.RedisOptions{Durable: true})
	in.Redis = server.URL()
	in.Env = []string{"HALOSYNC_RATE_LIMIT=" + budgetRate}
	in.Tenant.Seed(600, 7)
	connectTenants(in, 1)
	w := in.StartWorker()
	gate := in.Halo.Gate(halotest.Rule{Page: 30})
	defer gate.Open()
	in.Must("import", "--connection", "halo", "--all")
	in.Eventually("the import has reached page 30", func() bool { return gate.Held() > 0 })
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	in.Eventually("the worker uses a local share", func() bool { return strings.Contains(w.Log.String(), "using a local share") })
	browse := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		waits, err := browseAsPerson(ctx, in, time.Second)
		t.Logf("%s a person's %d requests waited for at most %v", what, len(waits), longest(waits))
		if err != nil || len(waits) == 0 || longest(waits) > 8*time.Second {
			t.Errorf("%s a person waited for %v: %v", what, waits, err)
		}
	}
	browse("without Redis")
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	browse("with Redis again")
	if log := in.Halo.Log(); log.MaxInWindow > budgetLimit || log.Statuses[http.StatusTooManyRequests] > 0 {
		t.Errorf("%d requests in a window, %d answers 429", log.MaxInWindow, log.Statuses[http.StatusTooManyRequests])
	}
	w.Stop(t)
}
