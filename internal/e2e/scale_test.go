package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// An import of many clients maps each client exactly once. If nothing has changed, a second
// import writes only the record of its own run. The long form has 100,000 clients and
// checks that memory is bounded. With fewer clients, the race detector and the garbage
// collector would use more memory than the whole list.
func TestManyClients(t *testing.T) {
	t.Parallel()
	const maxGrowth = 100 << 20 // bytes
	small, large := 1_000, 12_000
	if installation.Long() {
		large = 100_000
	}
	in := installation.New(t, installation.Unlimited)
	w := in.StartWorker()
	defer w.Stop(t)

	in.Tenant.Seed(small, 7)
	in.Connect()
	in.ImportAll()
	before := w.PeakMemory(t)

	in.Tenant.Seed(large-small, 8)
	first := in.ImportAll()
	if first.State != "succeeded" || !first.Complete || first.Records != large || first.Created+first.Unchanged+first.Skipped != large {
		t.Fatalf("import: %+v", first)
	}
	grown := w.PeakMemory(t) - before
	t.Logf("peak memory: %d MB after %d clients, %d MB more after %d", before>>20, small, grown>>20, large)
	if installation.Long() && grown > maxGrowth {
		t.Errorf("peak memory grew by %d MB, want at most %d", grown>>20, maxGrowth>>20)
	}

	count := func(sql string) int { return repotest.Value[int](t, in.DB, sql) }
	if n := count(`select count(*) from halosync.clients`); n != large {
		t.Errorf("%d clients in the catalogue, want %d", n, large)
	}
	active := 0
	for _, c := range in.Tenant.Clients() {
		if !c.Inactive && c.ID != 1 && strings.TrimSpace(c.Name) != "" {
			active++
		}
	}
	if n := count(`select count(*) from halosync.mappings where deleted_at is null`); n != active {
		t.Errorf("%d mappings, want one for each of %d active clients", n, active)
	}
	if n := count(`select count(*) from (select company_id from halosync.mappings group by 1 having count(*) > 1) d`); n != 0 {
		t.Errorf("%d companies with more than one mapping", n)
	}

	// Postgres shows whether a row was written: ctid is the position of its
	// current version, and xmax is the transaction that last locked or replaced
	// it.
	versions := func() string {
		var all []string
		for _, table := range []string{"companies", "clients", "mappings"} {
			all = append(all, repotest.Value[string](t, in.DB, fmt.Sprintf(
				`select md5(string_agg(ctid::text || xmin::text || xmax::text, ',' order by ctid)) from halosync.%s`, table)))
		}
		return strings.Join(all, " ")
	}
	was, events := versions(), count(`select count(*) from halosync.events`)
	second := in.ImportAll()
	if second.Unchanged != active || second.Created+second.Refreshed+second.Linked != 0 || !second.Complete {
		t.Errorf("second import: %+v", second)
	}
	if now := versions(); now != was {
		t.Error("an unchanged import rewrote rows of companies, clients or mappings")
	}
	if n := count(`select count(*) from halosync.events`); n != events {
		t.Errorf("an unchanged import left %d events", n-events)
	}
	if n := count(`select count(*) from halosync.run_pages`); n != 0 {
		t.Errorf("%d rows of finished runs left", n)
	}
}
