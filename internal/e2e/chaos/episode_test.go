package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	pageCap = 20 // rows per page; small, so that a few clients fill many pages
	appID   = "app-4711"
	appKey  = "s3cret"
	// settleTimeout bounds the time from the last fault to the end of all runs.
	// A lease expires after 30 s, and asynq recovers its task after another 30
	// s. The queue checks for expired leases once a minute. Requests to an
	// unreachable Halo are repeated after a minute.
	settleTimeout = 6 * time.Minute
)

// plan holds the parameters of an episode.
type plan struct {
	seed   uint64
	sites  int
	asks   []plannedAsk
	faults []plannedFault
}

// site is a tenant of halosync, its connection and its tenant in Halo.
type site struct {
	tenant  string
	conn    repo.Connection
	clients []halotest.Client // constant during the episode
	unmaps  []zoned           // clients that are mapped at the start and may be unmapped
	maps    []zoned           // clients that may be mapped by hand, each to its own company
}

// zoned is a client with its company and its mapping.
type zoned struct {
	client  halotest.Client
	company uuid.UUID
	mapping uuid.UUID // uuid.Nil if not mapped
}

// episode is one execution of a plan.
type episode struct {
	*testing.T
	*lane
	plan  plan
	began time.Time

	db          string // name of the database
	redisURL    string // address that bypasses the link
	pool        *pgxpool.Pool
	store       *repo.Store
	engine      *engine.Engine
	queue       *tasks.Client
	sites       []*site
	supervisors []*supervisor

	mu        sync.Mutex
	timeline  []string
	asks      []*ask          // in the order of the plan
	cancelled map[string]bool // runs that someone tried to cancel
	wipes     []span          // periods in which Redis lost its data
	faults    map[string]int
	lapses    int // number of faults that may have made executions lose their leases
	lastFault time.Time
	quiet     time.Duration // from the last fault to an empty queue
	recovery  time.Duration // from the last fault to the end of the last run
}

// span is a period of time.
type span struct{ from, to time.Time }

// note adds a line to the timeline.
func (e *episode) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.timeline = append(e.timeline, fmt.Sprintf("%7.2fs  ", time.Since(e.began).Seconds())+fmt.Sprintf(format, args...))
}

// run executes a plan on a lane and checks the outcome.
func run(t *testing.T, l *lane, p plan, total *report) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	e := &episode{
		T: t, lane: l, plan: p, began: time.Now(), db: fmt.Sprintf("episode_%d", p.seed),
		redisURL: l.redis.URL(), cancelled: map[string]bool{}, faults: map[string]int{},
	}
	defer e.tearDown(ctx)
	if err := e.setUp(ctx); err != nil {
		t.Fatalf("set up: %v", err)
	}

	e.began = time.Now()
	var going sync.WaitGroup
	going.Go(func() { e.askAll(ctx) })
	going.Go(func() { e.breakAll(ctx) })
	going.Wait()
	e.heal(ctx)
	e.settle(ctx)
	e.walkMetrics(ctx)
	runs := e.check(ctx)
	total.add(e, runs)
}

func (e *episode) setUp(ctx context.Context) error {
	if err := e.rdb.FlushAll(ctx).Err(); err != nil {
		return err
	}
	if err := e.database(ctx, e.db); err != nil {
		return err
	}
	var err error
	if e.pool, err = pgxpool.New(ctx, e.pg.DatabaseURL(e.db)); err != nil {
		return err
	}
	if e.store, err = repo.Open(ctx, repo.Options{URL: e.pg.DatabaseURL(e.db), Keys: e.keys}); err != nil {
		return err
	}
	if e.queue, err = tasks.Open(e.redisURL); err != nil {
		return err
	}
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		return err
	}
	e.engine = enginetest.New(enginetest.Config{Store: e.store, Queue: e.queue, Allow: allow}).Engine
	for i := range e.plan.sites {
		s, err := e.newSite(ctx, i)
		if err != nil {
			return fmt.Errorf("site %d: %w", i, err)
		}
		e.sites = append(e.sites, s)
	}
	for range 2 {
		e.supervisors = append(e.supervisors, newSupervisor(e.environment("")))
	}
	return e.await(ctx, "workers are ready", time.Minute, func() (bool, error) {
		if e.supervisors[0].ready() && e.supervisors[1].ready() {
			return true, nil
		}
		return false, errors.New(e.supervisors[0].tail())
	})
}

// environment returns a worker's environment. If user is set, it returns the
// environment of that user's CLI, which bypasses the links.
func (e *episode) environment(user string) []string {
	db, redis := e.workerDatabase(e.db), "redis://"+e.toRedis.addr+"/0"
	if user != "" {
		db, redis = e.pg.DatabaseURL(e.db), e.redisURL
	}
	return []string{
		"DATABASE_URL=" + db, "REDIS_URL=" + redis, "HALOSYNC_KEYSET=" + e.keyset, "HALOSYNC_ALLOW_HOSTS=127.0.0.1",
		"HALOSYNC_RATE_LIMIT=100000/1s", "HALOSYNC_HTTP_ADDR=127.0.0.1:0", "HALOSYNC_METRICS_ADDR=127.0.0.1:0", "HALOSYNC_CONCURRENCY=8", "USER=" + user,
		"GORACE=atexit_sleep_ms=0", // without this, each command waits a second before it ends
	}
}

// newSite creates a tenant with three zones of clients. The first clients are
// already mapped. The next clients have companies to which a person may map
// them. The remaining clients are only imported. In each zone, either the
// outcome does not depend on the order of events, or Postgres records that
// order.
func (e *episode) newSite(ctx context.Context, i int) (*site, error) {
	const clients, unmaps, maps = 250, 20, 20
	name := fmt.Sprintf("e%d-%d", e.plan.seed, i)
	s := &site{tenant: "msp-" + name}
	there := e.halo.Tenant(name)
	there.App(appID, appKey)
	there.Add(halotest.Client{ID: 1, Name: "Unknown"})
	words := []string{"Amber", "Birch", "Cedar", "Dune", "Ember"}
	for id := int64(2); id <= clients; id++ {
		there.Add(halotest.Client{
			ID: id, Name: fmt.Sprintf("%s Customer %d", words[id%int64(len(words))], id),
			Inactive: id > 1+unmaps+maps && id%17 == 0,
		})
	}
	s.clients = there.Clients()
	var err error
	s.conn, err = e.store.AddConnection(ctx, s.tenant, "test", repo.NewConnection{
		Name: "halo", Domain: "http://" + e.toHalo.addr + "/api", AuthServer: "http://" + e.toHalo.addr + "/auth", HaloTenant: name,
		ClientID: appID, Secret: secret.NewString(appKey),
	})
	if err != nil {
		return s, err
	}
	b := &pgx.Batch{}
	for _, c := range s.clients[1 : 1+unmaps+maps] {
		z := zoned{client: c, company: uuid.New()}
		companyName, external := c.Name, fmt.Sprint("u", c.ID)
		if len(s.unmaps) == unmaps {
			companyName, external = fmt.Sprint("By hand ", c.ID), fmt.Sprint("m", c.ID)
		}
		b.Queue(`insert into halosync.companies (tenant, id, name, norm_name, external_id) values ($1, $2, $3, $4, $5)`,
			s.tenant, z.company, companyName, names.Normalise(companyName), external)
		if len(s.unmaps) == unmaps {
			s.maps = append(s.maps, z)
			continue
		}
		z.mapping = uuid.New()
		b.Queue(`
			insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state)
			values ($1, $2, $3, $4, $5, $6, false, 'import', 'ok')`, s.tenant, z.mapping, s.conn.ID, z.company, c.ID, c.Name)
		s.unmaps = append(s.unmaps, z)
	}
	return s, e.pool.SendBatch(ctx, b).Close()
}

func (e *episode) tearDown(ctx context.Context) {
	var closing sync.WaitGroup
	for _, s := range e.supervisors {
		closing.Go(s.close)
	}
	closing.Wait()
	for i, s := range e.supervisors {
		for _, bad := range []string{"DATA RACE", "panic", "fatal error"} {
			if strings.Contains(s.log.String(), bad) {
				e.Errorf("%q in the log of worker %d", bad, i)
			}
		}
	}
	if e.Failed() {
		e.tell(ctx)
	}
	if e.queue == nil {
		return // the site was not set up
	}
	e.store.Close()
	e.pool.Close()
	if err := errors.Join(e.queue.Close(), e.sql(ctx, "drop database "+e.db+" with (force)")); err != nil {
		e.Errorf("tear down: %v", err)
	}
}

// await waits for a condition. Errors from the function ok may be temporary, so await
// returns an error only after the timeout.
func (e *episode) await(ctx context.Context, what string, timeout time.Duration, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok()
		if done && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not within %v: %s", timeout, what), err)
		case <-tick.C:
		}
	}
}

// tell logs the timeline and the workers' logs of a failed episode.
func (e *episode) tell(ctx context.Context) {
	rows, err := e.ledger(ctx)
	if err != nil {
		e.Logf("ledger: %v", err)
	}
	for _, r := range rows {
		ended := "open"
		if r.FinishedAt != nil {
			ended = fmt.Sprintf("ended at %.2fs", r.FinishedAt.Sub(e.began).Seconds())
		}
		e.timeline = append(e.timeline, fmt.Sprintf("          %s %s of %s: %s %s, attempt %d, %+v %s", r.Kind, r.id, r.asker, r.State, ended, r.Attempt, r.Counts, r.WaitReason))
	}
	e.Logf("seed %d failed; to repeat it: HALOSYNC_CHAOS_SEED=%d make chaos\n%s", e.plan.seed, e.plan.seed, strings.Join(e.timeline, "\n"))
	dir := os.Getenv("HALOSYNC_CHAOS_LOGS")
	if dir == "" {
		return
	}
	for i, s := range e.supervisors {
		path := filepath.Join(dir, fmt.Sprintf("seed-%d-worker-%d.log", e.plan.seed, i))
		if err := os.WriteFile(path, []byte(s.log.String()), 0o600); err != nil {
			e.Log(err)
		}
	}
}

// dice returns a random generator for one part of an episode. The generators
// are independent: drawing more numbers in one part does not change the other
// parts.
func dice(seed uint64, part string) *rand.Rand {
	var n uint64
	for _, b := range []byte(part) {
		n = n*31 + uint64(b)
	}
	return rand.New(rand.NewPCG(seed, n))
}
