package repo_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := repotest.EmptyURL(t)
	store := repotest.Open(t, url)
	var schema *repo.SchemaError
	if err := store.Ready(t.Context()); !errors.As(err, &schema) || schema.Have != 0 || schema.Newer() {
		t.Errorf("empty database: %v", err)
	}
	for _, want := range []repo.MigrateResult{{From: 0, To: repo.Latest()}, {From: repo.Latest(), To: repo.Latest()}} {
		equal(t, "result", must[repo.MigrateResult](t)(repo.Migrate(t.Context(), url)), want)
	}
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("migrated: %v", err)
	}
	equal(t, "public tables", repotest.Value[int](t, url, `select count(*) from pg_tables where schemaname = 'public'`), 0)

	repotest.Exec(t, url, `insert into halosync.schema_versions (version_id, is_applied) values (9999, true)`)
	if _, err := repo.Migrate(t.Context(), url); !errors.As(err, &schema) || !schema.Newer() || !strings.Contains(err.Error(), "9999 is newer") {
		t.Errorf("newer database: %v", err)
	}
	if err := store.Ready(t.Context()); !errors.As(err, &schema) || !schema.Newer() {
		t.Errorf("newer database: %v", err)
	}
}

// Several processes that start together migrate once, however long it takes.
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
			res, err := repo.MigrateFS(t.Context(), url, files)
			if err != nil || res.To != 2 {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
	wg.Wait()
	equal(t, "versions", repotest.Value[int](t, url, `select count(*) from halosync.schema_versions where version_id > 0`), 2)
}

// A migration that fails leaves nothing of itself, and what came before it.
func TestMigrateFails(t *testing.T) {
	t.Parallel()
	url := repotest.EmptyURL(t)
	files := fstest.MapFS{
		"0001_good.sql": file("create table halosync.good ();"),
		"0002_bad.sql":  file("create table halosync.half (); select 1/0;"),
	}
	if _, err := repo.MigrateFS(t.Context(), url, files); err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("error %v", err)
	}
	equal(t, "tables", repotest.Value[string](t, url,
		`select string_agg(tablename, ' ') from pg_tables where schemaname = 'halosync' and tablename <> 'schema_versions'`), "good")
	files["0002_bad.sql"] = file("create table halosync.whole ();")
	equal(t, "mended", must[repo.MigrateResult](t)(repo.MigrateFS(t.Context(), url, files)), repo.MigrateResult{From: 1, To: 2})
}

func file(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }

func TestCheckNumbers(t *testing.T) {
	t.Parallel()
	for want, names := range map[string]string{
		"":                                       "0001_a.sql 0002_b.sql 0003_c.sql",
		"migrations: number 0002 is missing":     "0001_a.sql 0003_c.sql",
		"migrations: number 0001 is missing":     "0002_b.sql",
		"migrations: number 0002 is there twice": "0001_a.sql 0002_b.sql 0002_c.sql 0003_d.sql",
		"migrations: number 0000: they begin with 0001": "0000_a.sql 0001_b.sql",
		"migrations: none": "",
		"migrations: 1_a.sql: want a name like 0001_what.sql":          "1_a.sql",
		"migrations: 0001_a.sql.orig: want a name like 0001_what.sql":  "0001_a.sql 0001_a.sql.orig",
		"migrations: 0001_Capital.sql: want a name like 0001_what.sql": "0001_Capital.sql",
	} {
		files := fstest.MapFS{}
		for _, name := range strings.Fields(names) {
			files[name] = file("")
		}
		if _, err := repo.CheckNumbers(files); errText(err) != want {
			t.Errorf("%q: error %q, want %q", names, errText(err), want)
		}
	}
	if n, err := repo.CheckNumbers(repo.Embedded()); err != nil || n != repo.Latest() {
		t.Errorf("our own: %d %v", n, err)
	}
}
