package repo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// A table that the statistics report as empty must not be scanned in full for each row
// that an import adds.
func TestImportIntoVacuumedTables(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	repotest.Exec(t, w.url, `vacuum (analyze) halosync.companies, halosync.mappings, halosync.clients, halosync.events`)
	const pages, size = 20, 100
	all := clients(pages * size)
	for n := range pages {
		list := all[n*size : (n+1)*size]
		must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(n+1, list...), decider(list)))
	}
	w.Close() // sessions report their reads to the statistics when they end, if not before
	// Scans of small tables are fine: at this size they read a tenth of the rows that a
	// wrong plan reads.
	const most = 200 * pages * size
	for _, table := range []string{"companies", "mappings", "clients"} {
		awaitRows(t, w.url, table, pages*size)
		if read := repotest.Value[int](t, w.url, `select coalesce(sum(seq_tup_read), 0)::int from pg_stat_user_tables where relname = '`+table+`'`); read > most {
			t.Errorf("%s: full scans read %d rows while %d were written", table, read, pages*size)
		}
	}
}

// awaitRows waits until the statistics show the new rows.
func awaitRows(t *testing.T, url, table string, rows int) {
	t.Helper()
	for range 1000 {
		if repotest.Value[int](t, url, `select coalesce(sum(n_tup_ins), 0)::int from pg_stat_user_tables, pg_sleep(0.01) where relname = '`+table+`'`) >= rows {
			return
		}
	}
	t.Fatalf("%s: the statistics did not arrive", table)
}

// A tenant has grown since the statistics were collected, so the planner estimates that
// it has no rows. An index on one column of a condition then seems as good as an index
// on two. An index that is read for the whole tenant, once for each client, seems as
// good as the right one.
func TestTenantUnknownToStatistics(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]struct{ tenants, each int }{
		"no statistics": {}, "one row": {1, 1}, "one tenant": {1, 1000}, "a row each": {100, 1}, "many": {50, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			for n := range others.tenants {
				other := join(t, w.Store, w.url, fmt.Sprint("other", n), "main")
				repotest.MapClients(t, w.url, repo.Connection{Tenant: other.tenant, ID: other.conn}, 1, others.each)
			}
			if others.tenants > 0 {
				repotest.Exec(t, w.url, `analyze`)
			}
			const mapped, size = 20_000, 500
			repotest.MapClients(t, w.url, repo.Connection{Tenant: w.tenant, ID: w.conn}, 1, mapped)
			before := rowsRead(t, w.url)
			w.touchOf(t, clients(mapped+2*size), size)
			w.Close() // sessions report their reads to the statistics when they end, if not before
			awaitRows(t, w.url, "clients", size)
			for table, rows := range rowsRead(t, w.url) {
				// About ten statements may each read everything once or twice.
				if read := rows - before[table]; read > 20*mapped {
					t.Errorf("%s: %d rows read for requests of %d of %d mappings", table, read, size, mapped)
				}
			}
		})
	}
}

// touchOf runs every operation on only a few clients: the first ones, which are mapped, and
// twice as many at the end, which are not mapped yet.
func (w *fixture) touchOf(t *testing.T, all []repo.Client, few int) {
	t.Helper()
	ctx := t.Context()
	known, fresh, free := all[:few], all[len(all)-2*few:len(all)-few], all[len(all)-few:]
	work := w.claim(t, "import")
	renamed := slices.Clone(known)
	for i := range renamed {
		renamed[i].Name = "Renamed " + renamed[i].Name
	}
	compared := page(1, renamed...)
	compared.Compare = true
	must[repo.ImportResult](t)(w.ImportBatch(ctx, work.Ref, compared, decider(renamed)))
	if n := must[int](t)(w.ApplyFindings(ctx, work.Ref, few)); n != few {
		t.Errorf("%d findings applied, want %d", n, few)
	}
	lost := page(90)
	lost.Compare = true
	for _, c := range known {
		lost.Absent = append(lost.Absent, repo.Finding{ClientID: c.ID, Outcome: repo.FoundMissing, Reason: "gone"})
	}
	must[repo.ImportResult](t)(w.ImportBatch(ctx, work.Ref, lost, decider(nil)))
	if n := must[int](t)(w.DoubtVanished(ctx, work.Ref, 3, time.Hour, "vanished")); n != few {
		t.Errorf("%d findings doubted, want %d", n, few)
	}
	if n := must[int](t)(w.ApplyFindings(ctx, work.Ref, few)); n != few {
		t.Errorf("%d findings applied, want %d", n, few)
	}
	for i, list := range [][]repo.Client{renamed, known, fresh} {
		must[repo.ImportResult](t)(w.ImportBatch(ctx, work.Ref, page(i+2, list...), decider(list)))
	}
	w.finish(t, work.Ref)

	var companies []repo.NewCompany
	var pairs []repo.PairLookup
	for i, c := range free {
		companies = append(companies, repo.NewCompany{Name: c.Name, NormName: strings.ToLower(c.Name), ExternalID: fmt.Sprint("x", i)})
		word := c.Name
		if i%2 == 0 {
			word = companies[i].ExternalID
		}
		pairs = append(pairs, lookup(i+1, word, c.ID))
	}
	must[[]repo.Company](t)(w.AddCompanies(ctx, w.tenant, "ann", companies))
	var asked []repo.SuggestClient
	for _, c := range slices.Concat(known, free) {
		asked = append(asked, repo.SuggestClient{ID: c.ID, Norm: strings.ToLower(c.Name), Stem: strings.ToLower(c.Name)})
	}
	whole := func(norm string) (stem, form string) { return norm, "" }
	suggested := must[repo.Suggested](t)(w.Suggest(ctx, w.tenant, w.conn, asked, repo.SuggestOptions{Split: whole, Similar: 1, PerClient: 1}))
	if len(suggested.Pairs) != few {
		t.Errorf("%d pairs suggested, want %d", len(suggested.Pairs), few)
	}
	byHand, _ := w.claimMap(t, "map")
	must[bool](t)(w.MapPairs(ctx, byHand.Ref, chunk(1, pairs...), mapEach(free...)))
	if seen := must[map[int64]repo.CompanyRef](t)(w.ClientsMapped(ctx, w.tenant, w.conn, ids(free))); len(seen) != few {
		t.Errorf("%d clients mapped by hand, want %d", len(seen), few)
	}
	done, _, err := w.UndoMappings(ctx, w.tenant, "ann", "undo", work.Run.ID, uuid.Nil, func(repo.UndoMapping) string { return "" })
	if err != nil || done.Removed != few {
		t.Errorf("%d mappings undone, want %d: %v", done.Removed, few, err)
	}
	gone, _, err := w.UndoCompanies(ctx, w.tenant, "ann", "undo", work.Run.ID, 0, func(repo.UndoCompany) string { return "" })
	if err != nil || gone.Removed != few {
		t.Errorf("%d companies undone, want %d: %v", gone.Removed, few, err)
	}
}

// ids returns the ids of clients.
func ids(list []repo.Client) (ids []int64) {
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

// rowsRead returns the number of rows and index entries read so far, by table.
func rowsRead(t *testing.T, url string) map[string]int {
	t.Helper()
	read := map[string]int{}
	for _, table := range []string{"companies", "mappings", "clients", "events"} {
		read[table] = repotest.Value[int](t, url, `
			select (seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid))::int
			from pg_stat_user_tables t where relname = '`+table+`'`)
	}
	return read
}
