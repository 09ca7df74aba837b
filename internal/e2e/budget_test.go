package halosync_test

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

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// Halo's 700 in 5 minutes, with time compressed: the shares are the same, and
// 200 in 10 seconds is nine times as fast.
const (
	budgetLimit  = 200
	budgetWindow = 10 * time.Second
	budgetRate   = "200/10s"
)

// limited is a Halo with that limit, for everything that comes, tokens too.
// Its pages are small, so that little work makes many requests.
var limited = halotest.WithProfile(halotest.Profile{
	RateLimit: budgetLimit, RateWindow: budgetWindow, RateCountsToken: true,
	RetryAfter: halotest.RetryAfterSeconds, PageCap: 10,
})

// arrivals notes when requests arrive at a Halo, and which were refused.
type arrivals struct {
	mu      sync.Mutex
	times   []time.Time
	refused int
}

func (s *site) arrivals() *arrivals {
	a := &arrivals{}
	s.halo.OnRequest(func(r halotest.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.times = append(a.times, r.Start)
		if r.Status == http.StatusTooManyRequests {
			a.refused++
		}
	})
	return a
}

// windows counts the requests in each full window from the first request to
// the end.
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

// connectTenants adds a connection named "halo" to the site's Halo for each of
// n tenants.
func (s *site) connectTenants(n int) {
	s.t.Helper()
	store := s.store()
	for i := range n {
		_, err := store.AddConnection(s.t.Context(), fmt.Sprint("msp-", i+1), "test", repo.NewConnection{
			Name: "halo", Domain: s.halo.ResourceServer(), AuthServer: s.halo.AuthServer(),
			ClientID: canaryID, Secret: secret.NewString(canarySecret),
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) store() *repo.Store {
	s.t.Helper()
	return repotest.OpenKeyed(s.t, s.db, s.keyset)
}

// live is the number of runs that have not ended.
func (s *site) live() int {
	return repotest.Value[int](s.t, s.db, `select count(*) from halosync.runs where finished_at is null`)
}

// wantSucceeded wants n runs that have all succeeded without spending an attempt.
func (s *site) wantSucceeded(n int) {
	s.t.Helper()
	if got := repotest.Value[int](s.t, s.db, `select count(*) from halosync.runs where state = 'succeeded' and error = ''`); got != n {
		s.t.Errorf("%d of %d runs succeeded: %s", got, n,
			repotest.Value[string](s.t, s.db, `select string_agg(state || ' ' || coalesce(error, ''), '; ') from halosync.runs`))
	}
}

// quietRedis keeps go-redis' reports of outages out of the test's output.
var quietRedis = sync.OnceFunc(func() { tasks.LogRedis(zap.NewNop().Sugar()) })

// person browses with an engine of its own, as the CLI does, and returns what
// the budget let each request wait for.
func (s *site) person(ctx context.Context, every time.Duration) (waits []time.Duration, err error) {
	address, err := tasks.ParseAddress(s.redis)
	if err != nil {
		return nil, err
	}
	quietRedis()
	rdb := address.Connect()
	defer func() { err = errors.Join(err, rdb.Close()) }()
	rate, err := ratelimit.ParseRate(budgetRate)
	if err != nil {
		return nil, err
	}
	limiter := ratelimit.New(ratelimit.Options{Redis: rdb, Rate: rate, Patience: time.Minute})
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		return nil, err
	}
	eng := engine.New(engine.Config{
		Store: s.store(), Allow: allow, Throttled: limiter.Throttled,
		Budget: func(ctx context.Context, instance, limit string, class ratelimit.Class) error {
			began := time.Now()
			err := limiter.Wait(ctx, instance, limit, class)
			waits = append(waits, time.Since(began)) // one request at a time
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

// Four worker processes and a person, several connections, one Halo: no 429
// that we brought on ourselves, nearly the whole budget used, nobody at the
// screen waits.
func TestFourWorkersShareOneBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: works through five windows of a request budget")
	}
	// Not beside others: it must be able to use all that it is given.
	const tenants, clients = 4, 2400 // 241 requests each, and some
	s := newSite(t, limited)
	s.extraEnv = []string{"HALOSYNC_RATE_LIMIT=" + budgetRate}
	s.tenant.Seed(clients, 7)
	s.connectTenants(tenants)
	seen := s.arrivals()
	workers := make([]*workerProcess, 4)
	for i := range workers {
		workers[i] = s.startWorker(s.keyset)
	}
	for i := range tenants {
		s.must("import", "--tenant", fmt.Sprint("msp-", i+1), "--connection", "halo", "--all")
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var browsing sync.WaitGroup
	var waits []time.Duration
	var failed error
	browsing.Go(func() { waits, failed = s.person(ctx, 4500*time.Millisecond) })
	var end time.Time // of the work: from then on one import alone may not use it all
	s.eventually("an import has ended", func() bool {
		end = time.Now()
		return s.live() < tenants
	})
	s.eventually("all imports have ended", func() bool { return s.live() == 0 })
	cancel()
	browsing.Wait()
	if failed != nil {
		t.Error(failed)
	}
	s.wantSucceeded(tenants)

	log := s.halo.Log()
	windows, used := seen.windows(end), 0
	for _, n := range windows {
		used += n
	}
	t.Logf("%d requests; %d in the fullest of all windows of %v, limit %d; in the windows with work %v: %.1f %% of the budget; a person's %d requests waited for at most %v",
		log.Requests, log.MaxInWindow, budgetWindow, budgetLimit, windows, 100*float64(used)/float64(len(windows)*budgetLimit), len(waits), longest(waits))
	if log.MaxInWindow > budgetLimit || log.Statuses[http.StatusTooManyRequests] > 0 {
		t.Errorf("%d requests in a window, %d answers 429", log.MaxInWindow, log.Statuses[http.StatusTooManyRequests])
	}
	if len(windows) < 3 || used*100 < len(windows)*budgetLimit*95 {
		t.Errorf("%v used of %d in each window, want 95 %%", windows, budgetLimit)
	}
	if len(waits) == 0 || longest(waits) > time.Second {
		t.Errorf("a person waited for %v", waits)
	}
	for _, w := range workers {
		w.stop(t)
	}
}

func longest(waits []time.Duration) (most time.Duration) {
	for _, d := range waits {
		most = max(most, d)
	}
	return most
}

// Another system uses up a part of the limit, without telling: Halo's 429s
// make the fleet pause and learn, and the imports end all the same.
func TestForeignSystemTakesItsPart(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: works through some windows of a request budget")
	}
	t.Parallel()
	const tenants, clients = 4, 1200
	s := newSite(t, limited)
	s.extraEnv = []string{"HALOSYNC_RATE_LIMIT=" + budgetRate}
	s.tenant.Seed(clients, 7)
	s.connectTenants(tenants)

	ctx, cancel := context.WithCancel(t.Context())
	var foreign sync.WaitGroup
	defer func() { cancel(); foreign.Wait() }()
	foreign.Go(func() { // 100 in 10 s
		for ticker := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
			}
			if resp, err := http.Get(s.halo.ResourceServer() + "/Client"); err == nil { // refused, and counted
				resp.Body.Close()
			}
		}
	})
	workers := []*workerProcess{s.startWorker(s.keyset), s.startWorker(s.keyset)}
	for i := range tenants {
		s.must("import", "--tenant", fmt.Sprint("msp-", i+1), "--connection", "halo", "--all")
	}
	s.eventually("all imports have ended", func() bool { return s.live() == 0 })
	s.wantSucceeded(tenants)
	if n := repotest.Value[int](t, s.db, `select count(*) from halosync.mappings where deleted_at is null`); n == 0 {
		t.Error("nothing was mapped")
	}

	throttled, lowered := 0, 0
	for _, w := range workers {
		throttled += metric(t, w.page(t, "/metrics"), "halosync_budget_throttled_total")
		lowered += strings.Count(w.log.String(), "the limit is lowered")
	}
	t.Logf("%d answers 429 for %d requests; the limit was lowered %d times", throttled, s.halo.Log().Requests, lowered)
	if throttled == 0 || lowered == 0 || lowered > throttled {
		t.Errorf("%d answers 429, %d times lowered", throttled, lowered)
	}
	if all := s.halo.Log().Requests; throttled*10 > all {
		t.Errorf("%d of %d requests were refused: nothing was learned", throttled, all)
	}
	for _, w := range workers {
		w.stop(t)
	}
}

// metric reads a counter without labels.
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
	t.Fatalf("%s is not among the metrics", name)
	return 0
}

// Redis goes away in the middle of an import: people go on with their share of
// the budget, and with all of it when Redis is back. (How the import goes on is
// for the tests of the dispatcher.)
func TestPeopleGoOnWithoutRedis(t *testing.T) {
	t.Parallel()
	s := newSite(t, limited)
	server, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	s.closeLast(server.Close)
	s.redis = server.URL()
	s.extraEnv = []string{"HALOSYNC_RATE_LIMIT=" + budgetRate}
	s.tenant.Seed(2400, 7)
	s.connectTenants(1)
	w := s.startWorker(s.keyset)
	s.must("import", "--connection", "halo", "--all")
	s.eventually("the import is under way", func() bool { return s.halo.Log().Requests > 20 })
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	s.eventually("the worker has noticed", func() bool { return strings.Contains(w.log.String(), "going on with a share") })
	browse := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		waits, err := s.person(ctx, time.Second)
		t.Logf("%s a person's %d requests waited for at most %v", what, len(waits), longest(waits))
		if err != nil || len(waits) == 0 || longest(waits) > 3*time.Second {
			t.Errorf("%s a person waited for %v: %v", what, waits, err)
		}
	}
	browse("without Redis")
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	browse("with Redis again")
	if log := s.halo.Log(); log.MaxInWindow > budgetLimit || log.Statuses[http.StatusTooManyRequests] > 0 {
		t.Errorf("%d requests in a window, %d answers 429", log.MaxInWindow, log.Statuses[http.StatusTooManyRequests])
	}
	w.stop(t)
}
