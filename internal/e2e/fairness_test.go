package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// A big tenant's long imports, which together would fill every slot, do not delay the
// imports of other tenants or the big tenant's own interactive requests. The simulated
// Halo holds the big imports until all other runs have ended. Two workers with two slots
// each execute the runs.
func TestBigTenantDoesNotStarveOthers(t *testing.T) {
	t.Parallel()
	const large, small, tenants, imports, active = 800, 100, 10, 5, 2
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"HALOSYNC_CONCURRENCY=2", "HALOSYNC_TENANT=big-0"}
	ownHalos(in, "big", 1, large)
	for i := range imports - 1 {
		in.AddConnection(in.Store(), "big-0", fmt.Sprint("halo-", i), "big-0")
	}
	ownHalos(in, "small", tenants, small)
	workers := []*installation.Worker{in.StartWorker(), in.StartWorker()}
	gate := in.Halo.Gate(halotest.Rule{Tenant: in.Halo.Tenant("big-0"), Page: 5})
	importTenants(in, "big")
	held := func() int { return runsOf(in, "big", `args ? 'all' and state = 'running' and pages = 4`) }
	in.Eventually("two big imports have begun", func() bool { return held() == active })
	importTenants(in, "small")
	allEnded(in, "small")
	if n := runsOf(in, "small", `complete`); n != tenants {
		t.Errorf("%d runs of small tenants are complete, want %d", n, tenants)
	}
	askAsAPerson(in)
	in.Eventually("the person's requests have ended", func() bool { return runsOf(in, "big", `not args ? 'all' and finished_at is not null`) == 2 })
	if n := held(); n != active {
		t.Errorf("%d big imports were held during the other runs, want %d", n, active)
	}
	gate.Open()
	allEnded(in, "big")
	if n := repotest.Value[int](t, in.DB, `select count(*)::int from halosync.clients where starts_with(tenant, 'big')`); n != large*imports {
		t.Errorf("%d clients of the big tenant, want %d", n, large*imports)
	}
	for _, w := range workers {
		w.Stop(t)
	}
}

// Small tenants next to one with 100,000 clients take less than three times as
// long as they do alone. The test measures time, so it runs only in the long
// form.
func TestSmallTenantsBesideABigOne(t *testing.T) {
	if !installation.Long() {
		t.Skip("long form only (make soak): it measures time; TestBigTenantDoesNotStarveOthers is the short form")
	}
	const large, tenants = 100_000, 49
	// Without a realistic latency, the machine's cores would be the bottleneck,
	// because the simulated Halos also use them.
	in := installation.New(t, installation.Slow(100*time.Millisecond))
	in.Env = []string{"HALOSYNC_CONCURRENCY=2", "HALOSYNC_TENANT=big-0"}
	ownHalos(in, "big", 1, large)
	ownHalos(in, "warm", 4, 200)
	workers := []*installation.Worker{in.StartWorker(), in.StartWorker()}
	importTenants(in, "warm") // the first imports of a process are slower
	allEnded(in, "warm")
	if ratio := besideBig(in, tenants); ratio >= 3 {
		t.Errorf("the small tenants take %.1f times as long alongside a big one, want less than 3", ratio)
	}
	allEnded(in, "big")
	if n := repotest.Value[int](t, in.DB, `select count(*)::int from halosync.clients where starts_with(tenant, 'big')`); n != large {
		t.Errorf("%d clients of the big tenant, want %d", n, large)
	}
	for _, w := range workers {
		w.Stop(t)
	}
}

// besideBig measures how much longer small tenants take during a big import.
// The import is still running when besideBig returns.
func besideBig(in *installation.Installation, tenants int) float64 {
	in.T.Helper()
	const small = 200
	const alone, beside = "alone", "beside"
	ownHalos(in, alone, tenants, small)
	ownHalos(in, beside, tenants, small)
	importTenants(in, alone)
	allEnded(in, alone)

	importTenants(in, "big")
	in.Eventually("the big import has begun", func() bool { return runsOf(in, "big", `state = 'running' and pages > 0`) == 1 })
	importTenants(in, beside)
	startedSoon(in, askAsAPerson(in))
	allEnded(in, beside)
	if runsOf(in, "big", `args ? 'all' and finished_at is null`) != 1 {
		in.T.Fatal("the big import ended before the small ones")
	}
	between := repotest.Value[int](in.T, in.DB, `
		select records from halosync.runs where starts_with(tenant, 'big') and args ? 'all' and finished_at is null`)
	before, now := took(in, alone).Seconds(), took(in, beside).Seconds()
	in.T.Logf("%d tenants with %d clients: %.1f s alone, %.1f s alongside a big import: ratio %.2f", tenants, small, before, now, now/before)
	speeds := throughput(in, beside)
	in.T.Logf("Jain's index of their throughput: %.3f (alone: %.3f); with the big tenant, which imported %d clients meanwhile: %.3f",
		jain(speeds), jain(throughput(in, alone)), between, jain(append(speeds, float64(between)/now)))
	for _, prefix := range []string{alone, beside} {
		if n := runsOf(in, prefix, `complete`); n != tenants {
			in.T.Errorf("%d runs of %q are complete, want %d", n, prefix, tenants)
		}
	}
	return now / before
}

// The simulated Halo holds an import in every slot, and more imports are
// queued. A technician whose tenant has a running import maps one client and
// imports another. Both of these runs end while the imports are held, and the
// imports then continue.
func TestPeopleDoNotWaitForImports(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"HALOSYNC_CONCURRENCY=2", "HALOSYNC_TENANT=big-0"}
	ownHalos(in, "big", 1, 300)
	ownHalos(in, "other", 6, 300)
	workers := []*installation.Worker{in.StartWorker(), in.StartWorker()}
	gate := in.Halo.Gate(halotest.Rule{Page: 2})
	importTenants(in, "big")
	in.Eventually("the big import has begun", func() bool { return runsOf(in, "big", `pages = 1`) == 1 })
	importTenants(in, "other")
	full := func() bool {
		return runsOf(in, "", `state = 'running' and args ? 'all'`) == 4 && runsOf(in, "", `state = 'queued'`) == 3
	}
	in.Eventually("all slots are taken", full)
	askAsAPerson(in)
	in.Eventually("both interactive runs have ended", func() bool { return runsOf(in, "big", `not args ? 'all' and finished_at is not null`) == 2 })
	if !full() {
		t.Error("the imports did not occupy every slot until the interactive runs ended")
	}
	gate.Open()
	allEnded(in, "")
	if n := runsOf(in, "", `args ? 'all' and complete`); n != 7 {
		t.Errorf("%d imports are complete, want 7", n)
	}
	for _, w := range workers {
		w.Stop(t)
	}
}

// ownHalos creates tenants whose names begin with prefix. Each has a connection "halo" to
// its own Halo tenant, which has the given number of clients.
func ownHalos(in *installation.Installation, prefix string, tenants, clients int) {
	in.T.Helper()
	store := in.Store()
	for i := range tenants {
		name := fmt.Sprint(prefix, "-", i)
		tenant := in.Halo.Tenant(name)
		tenant.App(installation.ClientID, in.Secrets.Client)
		tenant.Seed(clients, 7+uint64(i))
		in.AddConnection(store, name, "halo", name)
	}
	repotest.Exec(in.T, in.DB, `update halosync.connections set next_resync_at = now() + interval '1 day'`)
}

// importTenants requests full imports for all tenants whose names begin with
// prefix, all at the same time.
func importTenants(in *installation.Installation, prefix string) {
	in.T.Helper()
	repotest.Exec(in.T, in.DB, `
		select halosync.enqueue('import', tenant, id, '{"all": true}', 'test') from halosync.connections
		where starts_with(tenant, $1)`, prefix)
}

// runsOf counts the runs of the tenants whose names begin with prefix.
func runsOf(in *installation.Installation, prefix, where string) int {
	in.T.Helper()
	return repotest.Value[int](in.T, in.DB, `select count(*)::int from halosync.runs where starts_with(tenant, $1) and `+where, prefix)
}

func allEnded(in *installation.Installation, prefix string) {
	in.T.Helper()
	for end := time.Now().Add(20 * time.Minute); runsOf(in, prefix, `finished_at is null`) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			in.T.Fatalf("runs of %q did not end within 20 minutes", prefix)
		}
	}
}

// took returns the time from the request to the end of the last import.
func took(in *installation.Installation, prefix string) time.Duration {
	in.T.Helper()
	seconds := repotest.Value[float64](in.T, in.DB, `
		select extract(epoch from max(finished_at) - min(queued_at))::float8 from halosync.runs
		where starts_with(tenant, $1) and args ? 'all'`, prefix)
	return time.Duration(seconds * float64(time.Second))
}

// throughput returns each tenant's clients per second, measured from the request to the end
// of the import.
func throughput(in *installation.Installation, prefix string) []float64 {
	in.T.Helper()
	return repotest.Value[[]float64](in.T, in.DB, `
		select array_agg((records / extract(epoch from finished_at - queued_at))::float8) from halosync.runs
		where starts_with(tenant, $1)`, prefix)
}

// jain returns Jain's fairness index. It is 1 if all shares are equal and 1/n
// if one of n tenants has everything.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// askAsAPerson uses the CLI to map one client and import another, on the connection of the
// tenant "big-0". It returns the ids of the runs.
func askAsAPerson(in *installation.Installation) []string {
	in.T.Helper()
	ids := in.Halo.Tenant("big-0").IDs()
	last := len(ids) - 1
	in.Must("companies", "add", "A company of ours")
	var asked []string
	for _, args := range [][]string{
		{"map", "--connection", "halo", fmt.Sprint("A company of ours=", ids[last])},
		{"import", "--connection", "halo", "--client", fmt.Sprint(ids[last-1])},
	} {
		asked = append(asked, installation.Decode[installation.Run](in.T, in.Must(append(args, "-o", "json")...)).ID)
	}
	return asked
}

// startedSoon checks in the ledger that the runs started within ten seconds. On
// an idle machine, a run starts in a small fraction of that time.
func startedSoon(in *installation.Installation, runIDs []string) {
	in.T.Helper()
	for _, id := range runIDs {
		in.Eventually("it has started", func() bool {
			return runsOf(in, "big", fmt.Sprintf(`id = '%s' and started_at is not null`, uuid.MustParse(id))) == 1
		})
		waited := repotest.Value[float64](in.T, in.DB, `
			select extract(epoch from started_at - queued_at)::float8 from halosync.runs where id = $1`, uuid.MustParse(id))
		in.T.Logf("interactive run %s started after %.2f s", id, waited)
		if waited > 10 {
			in.T.Errorf("run %s started after %.1f s, want less than 10", id, waited)
		}
	}
}
