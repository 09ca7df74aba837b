package schema_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

func TestMain(m *testing.M) { repotest.Main(m) }

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := repotest.EmptyURL(t)
	store := repotest.OpenAs(t, url)
	var fault *schema.Error
	if err := store.Ready(t.Context()); !errors.As(err, &fault) || fault.Have != 0 || fault.Newer() {
		t.Errorf("empty database: %v", err)
	}
	for _, want := range []schema.Result{{From: 0, To: schema.Version()}, {From: schema.Version(), To: schema.Version()}} {
		equal(t, "result", must[schema.Result](t)(schema.Migrate(t.Context(), url)), want)
	}
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("migrated: %v", err)
	}
	equal(t, "public tables", repotest.Value[int](t, url, `select count(*) from pg_tables where schemaname = 'public'`), 0)

	repotest.Exec(t, url, `insert into halosync.schema_versions (version_id, is_applied) values (9999, true)`)
	repotest.Exec(t, url, `update halosync.schema_floor set floor = 9998`)
	if _, err := schema.Migrate(t.Context(), url); !errors.As(err, &fault) || !fault.Newer() || !strings.Contains(err.Error(), "9999 is newer") {
		t.Errorf("newer database: %v", err)
	}
	if err := store.Ready(t.Context()); !errors.As(err, &fault) || !fault.Newer() {
		t.Errorf("newer database: %v", err)
	}
}

// If several processes start at the same time, the schema is migrated only once, even
// if the migrations are slow.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	url := repotest.EmptyURL(t)
	files := fstest.MapFS{
		"0001_slow.sql": file("select pg_sleep(0.3); create table halosync.one ();"),
		"0002_slow.sql": file("select pg_sleep(0.3); create table halosync.two ();"),
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			res, err := schema.MigrateFS(t.Context(), url, files)
			if err != nil || res.To != 2 {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
	wg.Wait()
	equal(t, "versions", repotest.Value[int](t, url, `select count(*) from halosync.schema_versions where version_id > 0`), 2)
}

// A failed migration leaves nothing behind, and the migrations before it remain
// applied.
func TestMigrateFails(t *testing.T) {
	t.Parallel()
	url := repotest.EmptyURL(t)
	files := fstest.MapFS{
		"0001_good.sql": file("create table halosync.good ();"),
		"0002_bad.sql":  file("create table halosync.half (); select 1/0;"),
	}
	if _, err := schema.MigrateFS(t.Context(), url, files); err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("error %v", err)
	}
	equal(t, "tables", repotest.Value[string](t, url,
		`select string_agg(tablename, ' ') from pg_tables where schemaname = 'halosync' and tablename not like 'schema_%'`), "good")
	files["0002_bad.sql"] = file("create table halosync.whole ();")
	equal(t, "repaired", must[schema.Result](t)(schema.MigrateFS(t.Context(), url, files)), schema.Result{From: 1, To: 2})
}

// nextRelease returns the program's migrations and one more, which begins with the text
// head.
func nextRelease(t *testing.T, head string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	names := must[[]string](t)(fs.Glob(schema.Embedded(), "*.sql"))
	for _, name := range names {
		files[name] = &fstest.MapFile{Data: must[[]byte](t)(fs.ReadFile(schema.Embedded(), name))}
	}
	files[fmt.Sprintf("%04d_next.sql", len(names)+1)] = file(head + "\nalter table halosync.companies add column next text not null default '';")
	return files
}

// The current program acts as the older one: the database has the schema of the next
// release.
func TestOlderProgram(t *testing.T) {
	t.Parallel()
	ours := schema.Version()
	for name, c := range map[string]struct {
		head  string
		floor int64 // 0: the older program works with the schema
	}{
		"understood":     {fmt.Sprintf("-- halosync:oldest-program %d", ours), 0},
		"not understood": {fmt.Sprintf("-- halosync:oldest-program %d", ours+1), ours + 1},
		"no floor named": {"", ours + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := repotest.URL(t) // migrated by this program
			store := repotest.OpenAs(t, url)
			equal(t, "next release", must[schema.Result](t)(schema.MigrateFS(t.Context(), url, nextRelease(t, c.head))), schema.Result{From: ours, To: ours + 1})
			ready := store.Ready(t.Context())
			res, migrated := schema.Migrate(t.Context(), url)
			equal(t, "left alone", res, schema.Result{From: ours + 1, To: ours + 1})
			for what, err := range map[string]error{"ready": ready, "migrate": migrated} {
				var fault *schema.Error
				switch {
				case c.floor == 0 && err != nil:
					t.Errorf("%s: %v", what, err)
				case c.floor != 0 && (!errors.As(err, &fault) || fault.Floor != c.floor || !fault.Newer()):
					t.Errorf("%s: %v, want floor %d", what, err, c.floor)
				}
			}
		})
	}
	files := nextRelease(t, fmt.Sprintf("-- halosync:oldest-program %d", ours+2))
	if _, err := schema.MigrateFS(t.Context(), repotest.EmptyURL(t), files); err == nil || !strings.Contains(err.Error(), "oldest-program") {
		t.Errorf("a floor above the schema: %v", err)
	}
}

// A schema from before the first release is never changed, whatever its version. Both
// the migration and the worker report what to do.
func TestUnreleasedSchema(t *testing.T) {
	t.Parallel()
	if ours, released := schema.Floors(); ours < released || released > schema.Version() {
		t.Errorf("floor %d, floor of the first release %d, version %d", ours, released, schema.Version())
	}
	for _, version := range []int64{1, 7, schema.Version(), 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			url := repotest.URL(t)
			repotest.Exec(t, url, `update halosync.schema_floor set floor = least($1::bigint, 7)`, version)
			repotest.Exec(t, url, `delete from halosync.schema_versions where version_id > $1`, version)
			repotest.Exec(t, url, `insert into halosync.schema_versions (version_id, is_applied) select $1, true
				where not exists (select from halosync.schema_versions where version_id = $1)`, version)
			state := func() string {
				return repotest.Value[string](t, url, `
					select (select max(version_id) from halosync.schema_versions) || ' ' || (select floor from halosync.schema_floor)
						|| ' ' || (select count(*) from pg_class where relnamespace = 'halosync'::regnamespace)`)
			}
			before := state()
			store := repotest.OpenAs(t, url)
			_, migrated := schema.Migrate(t.Context(), url)
			for what, err := range map[string]error{"ready": store.Ready(t.Context()), "migrate": migrated} {
				var fault *schema.Error
				if !errors.As(err, &fault) || !fault.Unreleased || fault.Newer() || fault.Have != version ||
					errText(err) != "this database has a schema from before the first release; create a new database" {
					t.Errorf("%s: %v", what, err)
				}
			}
			equal(t, "version, floor and relations", state(), before)
		})
	}
}

func file(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }

func TestCheckNumbers(t *testing.T) {
	t.Parallel()
	for want, names := range map[string]string{
		"":                                      "0001_a.sql 0002_b.sql 0003_c.sql",
		"migrations: number 0002 is missing":    "0001_a.sql 0003_c.sql",
		"migrations: number 0001 is missing":    "0002_b.sql",
		"migrations: number 0002 is used twice": "0001_a.sql 0002_b.sql 0002_c.sql 0003_d.sql",
		"migrations: number 0000: numbers begin with 0001":             "0000_a.sql 0001_b.sql",
		"migrations: no files":                                         "",
		"migrations: 1_a.sql: want a name like 0001_what.sql":          "1_a.sql",
		"migrations: 0001_a.sql.orig: want a name like 0001_what.sql":  "0001_a.sql 0001_a.sql.orig",
		"migrations: 0001_Capital.sql: want a name like 0001_what.sql": "0001_Capital.sql",
	} {
		files := fstest.MapFS{}
		for _, name := range strings.Fields(names) {
			files[name] = file("")
		}
		if _, err := schema.CheckNumbers(files); errText(err) != want {
			t.Errorf("%q: error %q, want %q", names, errText(err), want)
		}
	}
	if n, err := schema.CheckNumbers(schema.Embedded()); err != nil || n != schema.Version() {
		t.Errorf("our own: %d %v", n, err)
	}
}

// The stored names are normalised before a migration that contains the line for it, but not
// before other migrations. Names in ASCII, and names that would become empty, stay as they
// were.
func TestMigrateNormalisesNames(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	repotest.Exec(t, url, `
		insert into halosync.companies (tenant, id, name, norm_name, updated_at)
		select 't' || i % 3, gen_random_uuid(), n.name, n.norm, '2026-01-01' from generate_series(1, 4000) i,
			(values ('O´Brien', U&'o \0301brien'), ('Müller', 'müller'), ('Acme', 'acme, unchanged'), (U&'\2800', U&'\2800'), (U&'Acme\FE0F', U&'acme\FE0F')) n(name, norm)`)
	before := `select string_agg(distinct norm_name, ' ') from halosync.companies where name = 'O´Brien'`
	must[schema.Result](t)(schema.MigrateFS(t.Context(), url, nextRelease(t, "")))
	equal(t, "without the line", repotest.Value[string](t, url, before), "o \u0301brien")

	files := nextRelease(t, "")
	files[fmt.Sprintf("%04d_names.sql", schema.Version()+2)] = file("-- halosync:normalise-names\nselect 1;")
	must[schema.Result](t)(schema.MigrateFS(t.Context(), url, files))
	equal(t, "names", repotest.Value[string](t, url, `
		select string_agg(concat_ws('/', norm_name, n), ' ' order by norm_name collate "C") from (
			select norm_name, count(*) n from halosync.companies where updated_at = '2026-01-01' group by 1) x`),
		"acme/4000 acme, unchanged/4000 müller/4000 o'brien/4000 \u2800/4000")
}

// A database that is not UTF8 is refused, and stays empty.
func TestOtherEncodingsAreRefused(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "WIN1252"} {
		url := repotest.EncodedURL(t, encoding)
		_, migrated := schema.Migrate(t.Context(), url)
		for what, err := range map[string]error{"migrate": migrated, "ready": repotest.OpenAs(t, url).Ready(t.Context())} {
			var refused *schema.EncodingError
			if !errors.As(err, &refused) || refused.Encoding != encoding || !strings.Contains(err.Error(), "encoding 'UTF8' template template0") {
				t.Errorf("%s: %s: %v", encoding, what, err)
			}
		}
		equal(t, encoding, repotest.Value[int](t, url, `select count(*) from pg_namespace where nspname = 'halosync'`), 0)
	}
}

// The programs send UTF-8, regardless of the encoding set by the URL, the role or the
// database.
func TestProgramsSendUTF8(t *testing.T) {
	t.Parallel()
	url := repotest.EmptyURL(t)
	repotest.Exec(t, url, `do $$ begin execute format('alter database %I set client_encoding = LATIN1', current_database()); end $$`)
	files := fstest.MapFS{"0001_names.sql": file("create table halosync.names as select 'Bäcker’s' as name;")}
	for _, url := range []string{url + "&client_encoding=LATIN1", url} {
		must[schema.Result](t)(schema.MigrateFS(t.Context(), url, files))
	}
	equal(t, "stored", repotest.Value[string](t, url+"&client_encoding=UTF8", `select encode(convert_to(name, 'UTF8'), 'hex') from halosync.names`), fmt.Sprintf("%x", "Bäcker’s"))
}
