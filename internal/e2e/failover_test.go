package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// The master dies during an import. Sentinel promotes the master's replica, and the work
// continues there.
func TestImportAcrossSentinelFailover(t *testing.T) {
	t.Parallel()
	ha, err := devstack.StartSentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ha.Close(); err != nil {
			t.Error(err)
		}
	})
	importAcross(t, ha.URL(), ha.Master.Halt, func() bool { return ha.Promoted(t.Context()) })
}

// A Cluster has three masters, each holding part of the keys. The master that
// holds the import queue dies.
func TestImportAcrossClusterFailover(t *testing.T) {
	t.Parallel()
	cluster, err := devstack.StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	const queue = "asynq:{import}:pending"
	dies := cluster.Keeper(t.Context(), queue)
	if dies < 0 {
		t.Fatal("no node serves the queue")
	}
	importAcross(t, cluster.URL(), cluster.Nodes[dies].Halt, func() bool {
		keeper := cluster.Keeper(t.Context(), queue)
		return keeper >= 0 && keeper != dies
	})
}

// importAcross tests three runs: one is executing, one is queued, and one is
// requested while no server holds the queue. The simulated Halo holds a page
// until the replica has taken over.
func importAcross(t *testing.T, url string, halt func() error, promoted func() bool) {
	t.Helper()
	const clients, pages, held = 1_000, 10, 4
	in := installation.New(t, installation.Unlimited)
	in.Redis = url
	in.Tenant.Seed(clients, 7)
	as := func(tenant int, extra ...string) {
		in.Env = append(extra, fmt.Sprintf("HALOSYNC_TENANT=msp-%d", tenant))
	}
	as(1, "HALOSYNC_CONCURRENCY=1")
	w := in.StartWorker()
	for tenant := 3; tenant >= 1; tenant-- {
		as(tenant)
		in.Connect()
	}
	gate := in.Halo.Gate(halotest.Rule{Page: held})
	runs := []string{in.Request("import", "--all")}
	as(2)
	runs = append(runs, in.Request("import", "--all"))
	in.Eventually("a few pages are written", func() bool { return in.Pages(runs[0]) == held-1 })
	if err := halt(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	as(3)
	runs = append(runs, in.Request("import", "--all"))
	in.Eventually("the replica has taken over", promoted)
	t.Logf("replica took over after %v", time.Since(killed).Round(10*time.Millisecond))
	if n := in.Pages(runs[0]); n != held-1 {
		t.Errorf("%d pages were written before the replica took over", n)
	}
	gate.Open()

	in.Eventually("all runs have ended", func() bool { return in.Unfinished() == 0 })
	t.Logf("all runs had ended after %v", time.Since(killed).Round(10*time.Millisecond))
	active := 0
	for _, c := range in.Tenant.Clients() {
		if !c.Inactive && c.ID != 1 && strings.TrimSpace(c.Name) != "" {
			active++
		}
	}
	for i, id := range runs {
		as(i + 1)
		if r := in.Run(id); r.State != "succeeded" || !r.Complete || r.Records != clients || r.Pages != pages {
			t.Errorf("run of tenant %d: %+v", i+1, r)
		}
		tenant := fmt.Sprintf("msp-%d", i+1)
		for what, sql := range map[string]string{
			"mappings":       `select count(*) from halosync.mappings where tenant = $1`,
			"clients mapped": `select count(distinct client_id) from halosync.mappings where tenant = $1`,
			"companies":      `select count(*) from halosync.companies where tenant = $1`,
			"events":         `select count(*) from halosync.events where action = 'mapping.created' and tenant = $1`,
		} {
			if n := repotest.Value[int](t, in.DB, sql, tenant); n != active {
				t.Errorf("%s: %d %s, want one for each of %d active clients", tenant, n, what, active)
			}
		}
	}
	rdb := in.ConnectRedis(url)
	in.Eventually("the queues are empty", func() bool { return backlog(t, rdb) == 0 })
	t.Logf("the queues were empty after %v", time.Since(killed).Round(10*time.Millisecond))
	w.Stop(t)
}

// backlog counts the tasks that asynq has yet to execute and those that it considers
// active.
func backlog(t *testing.T, rdb redis.UniversalClient) (n int64) {
	t.Helper()
	pipe := rdb.Pipeline()
	var counts []*redis.IntCmd
	for _, queue := range []string{tasks.QueueInteractive, tasks.QueueImport, tasks.QueueResync} {
		prefix := "asynq:{" + queue + "}:"
		counts = append(counts, pipe.LLen(t.Context(), prefix+"pending"), pipe.LLen(t.Context(), prefix+"active"),
			pipe.ZCard(t.Context(), prefix+"scheduled"), pipe.ZCard(t.Context(), prefix+"retry"), pipe.ZCard(t.Context(), prefix+"lease"))
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		n += c.Val()
	}
	return n
}
