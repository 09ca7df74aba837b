package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

// fleet is a pair of workers that share a database.
type fleet struct {
	t             *testing.T
	url           string
	store         *repo.Store
	first, second *Scheduler
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	url := repotest.URL(t)
	f := &fleet{t: t, url: url, store: repotest.Open(t, url)}
	f.first, f.second = New(Config{Store: f.store}), New(Config{Store: f.store})
	return f
}

// keep sets the retention of both workers.
func (w *fleet) keep(r Retention) { w.first.cfg.Keep, w.second.cfg.Keep = r, r }

func (w *fleet) connect(tenant, name string) repo.Connection {
	w.t.Helper()
	conn, err := w.store.AddConnection(w.t.Context(), tenant, "test", repo.NewConnection{
		Name: name, Domain: "https://h", AuthServer: "https://h", ClientID: "x", Secret: secret.NewString("s"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

const day = 24 * time.Hour

func TestNextNight(t *testing.T) {
	t.Parallel()
	for now, want := range map[string]string{
		"2026-03-01T02:19:59Z":      "2026-03-01T02:20:00Z",
		"2026-03-01T02:20:00Z":      "2026-03-02T02:20:00Z",
		"2026-12-31T23:00:00Z":      "2027-01-01T02:20:00Z",
		"2026-03-29T03:30:00+02:00": "2026-03-29T02:20:00Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextNight(at).Format(time.RFC3339); got != want {
			t.Errorf("after %s: %s, want %s", now, got, want)
		}
	}
}

// past adds runs to connections. Some runs ended days ago, and some have not ended.
func (w *fleet) past(conns []repo.Connection, days, each int) {
	w.t.Helper()
	for _, c := range conns {
		repotest.Exec(w.t, w.url, fmt.Sprintf(`
			insert into halosync.runs (id, tenant, connection_id, kind, request_key, state, queued_at, started_at, finished_at)
			select gen_random_uuid(), $1, $2, 'import', 'k' || n, 'succeeded', now() - interval '%[1]d days', now() - interval '%[1]d days', now() - interval '%[1]d days'
			from generate_series(1, %[2]d) n`, days, each), c.Tenant, c.ID)
		repotest.Exec(w.t, w.url, fmt.Sprintf(`
			insert into halosync.runs (id, tenant, connection_id, kind, request_key, queued_at)
			values (gen_random_uuid(), $1, $2, 'map', 'k', now() - interval '%d days')`, days), c.Tenant, c.ID)
	}
}

// due makes a fleet job due and expires its lease.
func (w *fleet) due(job string) {
	w.t.Helper()
	repotest.Exec(w.t, w.url, `update halosync.upkeep set next_at = now() - interval '1 hour', held_until = now() - interval '1 second' where job = $1`, job)
}

func (w *fleet) runsLeft() (ended, unfinished int) {
	w.t.Helper()
	const count = `select count(*) from halosync.runs where finished_at is `
	return repotest.Value[int](w.t, w.url, count+`not null`), repotest.Value[int](w.t, w.url, count+`null`)
}

// At night, one of the workers removes the old history of all tenants and nothing else.
// The next pass is one night later.
func TestOneWorkerRemovesOldHistory(t *testing.T) {
	t.Parallel()
	w := newFleet(t)
	conns := []repo.Connection{w.connect("acme", "one"), w.connect("globex", "two"), w.connect("initech", "three")}
	w.past(conns, 91, 250)
	repotest.Exec(t, w.url, `update halosync.runs set queued_at = now() - interval '91 days', finished_at = now() - interval '89 days'
		where id in (select id from halosync.runs where finished_at is not null and tenant = 'acme' limit 7)`)
	w.keep(Retention{Runs: 90 * day, Events: 400 * day, Clients: 180 * day})
	var mu sync.Mutex
	var removed [2]int
	for i, e := range []*Scheduler{w.first, w.second} {
		e.cfg.Removed = func(f Removed) {
			mu.Lock()
			defer mu.Unlock()
			removed[i] += f.Runs
		}
	}
	if err := w.first.retainIfDue(t.Context()); err != nil { // plans the first pass
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 750 {
		t.Errorf("on the day of the upgrade: %d runs left", ended)
	}
	w.due(repo.JobRetention)
	var both sync.WaitGroup
	for _, e := range []*Scheduler{w.first, w.second} {
		both.Go(func() {
			if err := e.retainIfDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if ended, unfinished := w.runsLeft(); ended != 7 || unfinished != 3 {
		t.Errorf("%d ended and %d unfinished runs are left, want 7 and 3", ended, unfinished)
	}
	if removed != [2]int{743, 0} && removed != [2]int{0, 743} {
		t.Errorf("the two workers removed %v runs, want one worker to remove all runs", removed)
	}
	fleet, err := w.first.Fleet(t.Context())
	// The next night may have begun in the meantime.
	if err != nil || fleet.SweepLate > time.Minute || time.Since(fleet.SweptAt) > time.Minute {
		t.Errorf("afterwards: %+v, %v", fleet, err)
	}
}

// If history is kept forever, the job still runs but removes no history.
func TestKeepForEver(t *testing.T) {
	t.Parallel()
	w := newFleet(t)
	w.past([]repo.Connection{w.connect("acme", "one")}, 4000, 3)
	repotest.Exec(t, w.url, `insert into halosync.signin_tokens_used (tenant, hash, expires_at) values ('visitor', sha256('x'), now())`)
	w.due(repo.JobRetention)
	if err := w.first.retainIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 3 {
		t.Errorf("%d runs left, want all 3", ended)
	}
	if n := repotest.Value[int](t, w.url, `select count(*) from halosync.signin_tokens_used`); n != 0 {
		t.Errorf("%d expired tokens are left", n)
	}
	if fleet, err := w.first.Fleet(t.Context()); err != nil || fleet.SweptAt.IsZero() {
		t.Errorf("%+v, %v", fleet, err)
	}
}

// If a worker dies during a pass, another worker takes over once the lease has expired.
// If the first worker resumes afterwards, it does nothing.
func TestInterruptedRetentionContinues(t *testing.T) {
	t.Parallel()
	w := newFleet(t)
	w.past([]repo.Connection{w.connect("acme", "one")}, 91, 500)
	w.keep(Retention{Runs: 90 * day})
	w.due(repo.JobRetention)
	dying, die := context.WithCancel(t.Context())
	w.first.cfg.Removed = func(Removed) { die() }
	if err := w.first.retainIfDue(dying); !errors.Is(err, context.Canceled) {
		t.Fatalf("the first worker: %v", err)
	}
	if err := w.second.retainIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 300 {
		t.Errorf("%d runs left before the first worker's lease expires, want 300", ended)
	}
	if fleet, err := w.first.Fleet(t.Context()); err != nil || fleet.SweepLate < time.Hour {
		t.Errorf("meanwhile: %+v, %v", fleet, err)
	}
	w.due(repo.JobRetention)
	frozen := &retentionPass{store: w.store, keep: w.first.cfg.Keep, holder: uuid.New()}
	if _, err := w.store.TakeUpkeep(t.Context(), repo.JobRetention, frozen.holder, -time.Second); err != nil {
		t.Fatal(err)
	}
	if err := w.second.retainIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 0 {
		t.Errorf("%d runs left after the takeover", ended)
	}
	if err := frozen.run(t.Context()); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("the frozen worker: %v", err)
	}
}

// One worker does the counting for the whole fleet, at most once per interval. If
// counting takes long, the interval grows.
func TestOneWorkerCounts(t *testing.T) {
	t.Parallel()
	if got := []time.Duration{nextCount(time.Second / 2), nextCount(10 * time.Second)}; got[0] != 55*time.Second || got[1] != 500*time.Second {
		t.Errorf("next counts after %v", got)
	}
	w := newFleet(t)
	conn := w.connect("acme", "one")
	repotest.MapClients(t, w.url, conn, 1, 5)
	w.connect("globex", "two")
	repotest.Exec(t, w.url, `update halosync.connections set state = 'needs_reconnect' where tenant = 'globex'`)
	repotest.Exec(t, w.url, `update halosync.mappings set state = 'unverified', last_verified_at = now() - interval '3 days'
		where id = (select min(id::text)::uuid from halosync.mappings)`)
	w.past([]repo.Connection{conn}, 2, 1)
	var both sync.WaitGroup
	for _, e := range []*Scheduler{w.first, w.second} {
		both.Go(func() {
			if err := e.countIfDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	f, err := w.second.Fleet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const mapped = 5
	got := fmt.Sprint(f.Mappings["ok"]+f.Mappings["inactive"], f.Mappings["unverified"], f.Connections, f.Unfinished,
		time.Duration(f.OldestUnverified*1e9).Round(time.Hour), time.Duration(f.Undispatched*1e9).Round(time.Hour))
	if want := fmt.Sprint(mapped-1, 1, map[string]int{"active": 1, "needs_reconnect": 1}, map[string]map[string]int{"map": {"queued": 1}}, 3*day, 2*day); got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
	counted := f.CountedAt
	if err := w.first.countIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, err = w.first.Fleet(t.Context()); err != nil || !f.CountedAt.Equal(counted) {
		t.Errorf("counted again before the interval was over: %v, %v", f.CountedAt, err)
	}
}
