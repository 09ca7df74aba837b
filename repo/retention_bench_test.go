package repo_test

import (
	"testing"
	"time"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// BenchmarkForget deletes 100,000 runs with two items each, and 200,000 events, and
// keeps as many of each. The parts have the same size as in the program. "slowest-ms"
// is the time of the slowest part, which is how long its rows are locked.
func BenchmarkForget(b *testing.B) {
	w := newFixture(b)
	for _, sql := range []string{
		`insert into halosync.runs (id, tenant, connection_id, kind, request_key, state, queued_at, started_at, finished_at)
			select gen_random_uuid(), 'acme', $1, 'resync', 'k' || n, 'succeeded', at, at, at
			from generate_series(1, 200000) n, lateral (select now() - case when n <= 100000 then interval '100 days' else interval '1 day' end + n * interval '100 milliseconds' as at) a`,
		`insert into halosync.run_items (tenant, run_id, seq, outcome, reason) select 'acme', id, s, 'skipped', 'inactive in Halo' from halosync.runs, generate_series(1, 2) s where connection_id = $1`,
		`insert into halosync.events (tenant, at, actor, action, how, connection_id, mapping_id, before, after)
			select 'acme', now() - case when n <= 200000 then interval '500 days' else interval '1 day' end, 'schedule', 'mapping.refreshed', 'resync', $1, gen_random_uuid(), '{"client_name": "Client"}', '{"client_name": "Other"}' from generate_series(1, 400000) n`,
	} {
		repotest.Exec(b, w.url, sql, w.conn)
	}
	repotest.Exec(b, w.url, `vacuum analyze`)
	parts := func(what string, part func() (int, bool, error)) {
		began, slowest, n := time.Now(), time.Duration(0), 0
		for more := true; more; {
			at := time.Now()
			gone, again, err := part()
			if err != nil {
				b.Fatal(err)
			}
			n, more, slowest = n+gone, again, max(slowest, time.Since(at))
		}
		if n == 0 { // the first call deleted everything
			return
		}
		b.ReportMetric(time.Since(began).Seconds(), what+"-s")
		b.ReportMetric(float64(slowest.Milliseconds()), what+"-slowest-ms")
		b.ReportMetric(float64(n), what)
	}
	for b.Loop() {
		parts("runs", func() (int, bool, error) { return w.ForgetRuns(b.Context(), w.tenant, 90*day, 200) })
		parts("events", func() (int, bool, error) { return w.ForgetEvents(b.Context(), w.tenant, 400*day, 2000) })
	}
}

// BenchmarkForgetNothing measures a nightly deletion for a tenant with nothing to
// delete. An installation pays this cost for each tenant.
func BenchmarkForgetNothing(b *testing.B) {
	w := newFixture(b)
	w.importAll(b, "k", clients(200)...)
	for b.Loop() {
		for next := (repo.CatalogueCursor{}); ; {
			_, after, err := w.ForgetClients(b.Context(), w.tenant, 180*day, next, 5000)
			if err != nil {
				b.Fatal(err)
			}
			if next = after; next == (repo.CatalogueCursor{}) {
				break
			}
		}
		if _, _, err := w.ForgetRuns(b.Context(), w.tenant, 90*day, 200); err != nil {
			b.Fatal(err)
		}
		if _, _, err := w.ForgetEvents(b.Context(), w.tenant, 400*day, 2000); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCountFleet counts a million mappings of a thousand tenants. One mapping in a
// hundred has a state other than ok.
func BenchmarkCountFleet(b *testing.B) {
	w := newFixture(b)
	for _, sql := range []string{
		`insert into halosync.connections (id, tenant, name, domain, auth_server, client_id, secret_sealed)
			select gen_random_uuid(), 't' || n, 'halo', 'https://acme.halopsa.com/api', 'https://acme.halopsa.com/auth', 'app', '\xab' from generate_series(1, 1000) n`,
		`insert into halosync.companies (tenant, id, name, norm_name)
			select tenant, gen_random_uuid(), 'Client ' || n, n::text from halosync.connections, generate_series(1, 1000) n where tenant <> 'acme'`,
		`insert into halosync.mappings (tenant, id, connection_id, company_id, client_id, client_name, client_inactive, mapped_by, state, last_verified_at)
			select c.tenant, gen_random_uuid(), n.id, c.id, c.norm_name::bigint, c.name, false, 'import',
				case when c.norm_name like '%00' then 'unverified' else 'ok' end, now() from halosync.companies c join halosync.connections n on n.tenant = c.tenant`,
		`vacuum analyze`,
	} {
		repotest.Exec(b, w.url, sql)
	}
	for b.Loop() {
		must[repo.Fleet](b)(w.CountFleet(b.Context()))
	}
}
