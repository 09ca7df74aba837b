package halosync_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// One tenant with many clients and many tenants with 200, each with a Halo of
// its own, want everything imported at the same moment; two workers with two
// slots each. The small ones take less than three times the time that as many
// of them take alone, and what a person wants meanwhile starts at once.
//
// HALOSYNC_LONG=1 takes 100,000 clients and 49 tenants, and lets the big import
// end. Otherwise it is 20,000 and 10, and the best of three measures counts,
// since on a busy machine one of a few seconds says little.
func TestBigTenantDoesNotStarveOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: imports thousands of clients")
	}
	t.Parallel()
	long := os.Getenv("HALOSYNC_LONG") != ""
	large, tenants, rounds := 20_000, 10, 3
	if long {
		large, tenants, rounds = 100_000, 49, 1
	}
	// With an answer time as in the field: without it, what is shared would be
	// the two cores that the simulated Halos need, too.
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 100 * time.Millisecond}))
	s.extraEnv = []string{"HALOSYNC_CONCURRENCY=2", "HALOSYNC_TENANT=big-0"}
	s.ownHalos("big", 1, large)
	s.ownHalos("warm", 4, 200)
	workers := []*workerProcess{s.startWorker(s.keyset), s.startWorker(s.keyset)}
	s.importTenants("warm") // the first imports of a process are slower
	s.allEnded("warm")

	ratio := s.besideBig(1, tenants)
	for round := 2; round <= rounds && ratio >= 3; round++ {
		s.cancelAll()
		ratio = min(ratio, s.besideBig(round, tenants))
	}
	if ratio >= 3 {
		t.Errorf("the small tenants take %.1f times as long beside a big one, want less than 3", ratio)
	}
	if !long {
		s.startedSoon(s.askAsAPerson())
		if s.runsOf("big", `args ? 'all' and finished_at is null`) != 1 {
			t.Error("the big import ended first, so this proves little")
		}
		s.cancelAll()
	}
	s.allEnded("big")
	if n := repotest.Value[int](t, s.db, `select count(*)::int from halosync.clients where starts_with(tenant, 'big')`); long && n != large {
		t.Errorf("%d clients of the big tenant, want %d", n, large)
	}
	for _, w := range workers {
		w.stop(t)
	}
}

// besideBig measures how much longer small tenants take when a big import is
// running, which it leaves running.
func (s *site) besideBig(round, tenants int) float64 {
	s.t.Helper()
	const small = 200
	alone, beside := fmt.Sprint("alone", round), fmt.Sprint("beside", round)
	s.ownHalos(alone, tenants, small)
	s.ownHalos(beside, tenants, small)
	s.importTenants(alone)
	s.allEnded(alone)

	s.importTenants("big")
	s.eventually("the big import has begun", func() bool { return s.runsOf("big", `state = 'running' and pages > 0`) == 1 })
	s.importTenants(beside)
	if tenants > 10 { // else the CLI's own start would be a part of the measure
		s.startedSoon(s.askAsAPerson())
	}
	s.allEnded(beside)
	if s.runsOf("big", `args ? 'all' and finished_at is null`) != 1 {
		s.t.Fatal("the big import ended first, so this proves little")
	}
	between := repotest.Value[int](s.t, s.db, `
		select records from halosync.runs where starts_with(tenant, 'big') and args ? 'all' and finished_at is null`)
	before, now := s.took(alone).Seconds(), s.took(beside).Seconds()
	s.t.Logf("%d tenants with %d clients: %.1f s alone, %.1f s beside a big import: ratio %.2f", tenants, small, before, now, now/before)
	speeds := s.throughput(beside)
	s.t.Logf("Jain's index over their throughput: %.3f (alone: %.3f); over all tenants, the big one with %d clients meanwhile: %.3f",
		jain(speeds), jain(s.throughput(alone)), between, jain(append(speeds, float64(between)/now)))
	for _, prefix := range []string{alone, beside} {
		if n := s.runsOf(prefix, `complete`); n != tenants {
			s.t.Errorf("%d runs of %q are complete, want %d", n, prefix, tenants)
		}
	}
	return now / before
}

// cancelAll ends all runs at their next page.
func (s *site) cancelAll() {
	s.t.Helper()
	repotest.Exec(s.t, s.db, `update halosync.runs set cancel_requested_at = now() where finished_at is null`)
	s.allEnded("")
}

// Every slot is taken by an import, more are waiting, and a technician of a
// tenant whose import is running maps a client and imports another: both
// start within seconds, and the imports go on.
func TestPeopleDoNotWaitForImports(t *testing.T) {
	t.Parallel()
	s := newSite(t, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, Latency: 500 * time.Millisecond}))
	s.extraEnv = []string{"HALOSYNC_CONCURRENCY=2", "HALOSYNC_TENANT=big-0"}
	s.ownHalos("big", 1, 10_000)
	s.ownHalos("other", 6, 10_000)
	workers := []*workerProcess{s.startWorker(s.keyset), s.startWorker(s.keyset)}
	s.importTenants("big")
	s.eventually("the big import has begun", func() bool { return s.runsOf("big", `pages > 0`) == 1 })
	s.importTenants("other")
	full := func() bool {
		return s.runsOf("", `state = 'running' and args ? 'all'`) == 4 && s.runsOf("", `state = 'queued'`) == 3
	}
	s.eventually("all slots are taken", full)
	asked := s.askAsAPerson()
	s.startedSoon(asked)
	s.eventually("both have ended", func() bool { return s.runsOf("big", `not args ? 'all' and finished_at is not null`) == 2 })
	if !full() {
		t.Error("the slots were not taken all the time, so this proves little")
	}
	s.cancelAll()
	for _, w := range workers {
		w.stop(t)
	}
}

// ownHalos makes tenants whose names begin so, each with a connection "halo" to
// a Halo tenant of its own with as many clients.
func (s *site) ownHalos(prefix string, tenants, clients int) {
	s.t.Helper()
	store := s.store()
	for i := range tenants {
		name := fmt.Sprint(prefix, "-", i)
		tenant := s.halo.Tenant(name)
		tenant.App(canaryID, canarySecret)
		tenant.Seed(clients, 7+uint64(i))
		if _, err := store.AddConnection(s.t.Context(), name, "test", repo.NewConnection{
			Name: "halo", Domain: s.halo.ResourceServer(), AuthServer: s.halo.AuthServer(), HaloTenant: name,
			ClientID: canaryID, Secret: secret.NewString(canarySecret),
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	repotest.Exec(s.t, s.db, `update halosync.connections set next_resync_at = now() + interval '1 day'`)
}

// importTenants requests the import of everything for all tenants whose name
// begins so, in one moment.
func (s *site) importTenants(prefix string) {
	s.t.Helper()
	repotest.Exec(s.t, s.db, `
		select halosync.enqueue('import', tenant, id, '{"all": true}', 'test') from halosync.connections
		where starts_with(tenant, $1)`, prefix)
}

// runsOf counts the runs of the tenants whose name begins so.
func (s *site) runsOf(prefix, where string) int {
	s.t.Helper()
	return repotest.Value[int](s.t, s.db, `select count(*)::int from halosync.runs where starts_with(tenant, $1) and `+where, prefix)
}

func (s *site) allEnded(prefix string) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Minute); s.runsOf(prefix, `finished_at is null`) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("runs of %q have not ended within 20 minutes", prefix)
		}
	}
}

// took is the time from the request to the end of the last import.
func (s *site) took(prefix string) time.Duration {
	s.t.Helper()
	seconds := repotest.Value[float64](s.t, s.db, `
		select extract(epoch from max(finished_at) - min(queued_at))::float8 from halosync.runs
		where starts_with(tenant, $1) and args ? 'all'`, prefix)
	return time.Duration(seconds * float64(time.Second))
}

// throughput is the clients a second of each tenant, from request to end.
func (s *site) throughput(prefix string) []float64 {
	s.t.Helper()
	return repotest.Value[[]float64](s.t, s.db, `
		select array_agg((records / extract(epoch from finished_at - queued_at))::float8) from halosync.runs
		where starts_with(tenant, $1)`, prefix)
}

// jain is Jain's fairness index: 1 if all have the same, 1/n if one has all.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// askAsAPerson maps a client and imports another with the CLI, on the
// connection of the tenant "big-0", and returns the runs.
func (s *site) askAsAPerson() []string {
	s.t.Helper()
	ids := s.halo.Tenant("big-0").IDs()
	last := len(ids) - 1
	s.must("companies", "add", "A company of ours")
	var asked []string
	for _, args := range [][]string{
		{"map", "--connection", "halo", fmt.Sprint("A company of ours=", ids[last])},
		{"import", "--connection", "halo", "--client", fmt.Sprint(ids[last-1])},
	} {
		asked = append(asked, decode[run](s.t, s.must(append(args, "-o", "json")...)).ID)
	}
	return asked
}

// startedSoon wants runs to have started within ten seconds, by the ledger:
// that is many times what it takes on a machine that is not busy.
func (s *site) startedSoon(runIDs []string) {
	s.t.Helper()
	for _, id := range runIDs {
		s.eventually("it has started", func() bool {
			return s.runsOf("big", fmt.Sprintf(`id = '%s' and started_at is not null`, uuid.MustParse(id))) == 1
		})
		waited := repotest.Value[float64](s.t, s.db, `
			select extract(epoch from started_at - queued_at)::float8 from halosync.runs where id = $1`, uuid.MustParse(id))
		s.t.Logf("run %s of a person started after %.2f s", id, waited)
		if waited > 10 {
			s.t.Errorf("run %s started after %.1f s, want less than 10", id, waited)
		}
	}
}
