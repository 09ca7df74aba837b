package repo_test

import (
	"testing"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Tables of which Postgres knows for sure that they are empty must not be read
// from end to end for each row while they fill.
func TestImportIntoVacuumedTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	claim := w.claim(t, "k")
	repotest.Exec(t, w.url, `vacuum (analyze) halosync.companies, halosync.mappings, halosync.clients, halosync.events`)
	const pages, size = 20, 100
	all := clients(pages * size)
	for n := range pages {
		list := all[n*size : (n+1)*size]
		must[repo.PageResult](t)(w.ImportPage(t.Context(), claim.Ref, page(n+1, list...), decider(list)))
	}
	w.Close() // sessions tell what they have read at their end at the latest
	// Small tables may well be read whole: with so many rows that is a tenth of
	// what it comes to if it never ends.
	const most = 200 * pages * size
	for _, table := range []string{"companies", "mappings", "clients"} {
		awaitRows(t, w.url, table, pages*size)
		if read := repotest.Value[int](t, w.url, `select coalesce(sum(seq_tup_read), 0)::int from pg_stat_user_tables where relname = '`+table+`'`); read > most {
			t.Errorf("%s: %d rows read by scans of the whole table, while %d were written", table, read, pages*size)
		}
	}
}

// awaitRows waits until the statistics know of so many new rows.
func awaitRows(t *testing.T, url, table string, rows int) {
	t.Helper()
	for range 1000 {
		if repotest.Value[int](t, url, `select coalesce(sum(n_tup_ins), 0)::int from pg_stat_user_tables, pg_sleep(0.01) where relname = '`+table+`'`) >= rows {
			return
		}
	}
	t.Fatalf("%s: the statistics do not come", table)
}
