package e2e

import (
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// The next release's schema has more columns. A worker continues with that
// schema if schema_floor allows it. Otherwise a new worker does not start and
// reports that the schema is newer.
func TestWorkerOnNextSchema(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(250, 7)
	in.Connect()
	w := in.StartWorker()
	repotest.Exec(t, in.DB, `insert into halosync.schema_versions (version_id, is_applied)
		select max(version_id) + 1, true from halosync.schema_versions`)
	// Use one statement for each table. A single transaction would lock the
	// tables in a different order than the worker does, and could deadlock.
	for _, table := range repotest.Value[[]string](t, in.DB, `
		select array_agg(format('%I', tablename)) from pg_tables where schemaname = 'halosync' and tablename not like 'schema_%'`) {
		repotest.Exec(t, in.DB, `alter table halosync.`+table+` add column next_release text not null default ''`)
	}
	if page := w.Page(t, "/readyz"); !strings.Contains(page, "postgres: ok") {
		t.Errorf("readyz of a worker that continues: %s", page)
	}
	second := in.StartWorker() // waits until the worker is ready
	w.Stop(t)
	if r := in.ImportAll(); r.State != "succeeded" || r.Records != 250 {
		t.Errorf("import: %+v", r)
	}
	in.Must("resync", "--connection", "halo", "--wait")
	second.Stop(t)

	repotest.Exec(t, in.DB, `update halosync.schema_floor set floor = (select max(version_id) from halosync.schema_versions)`)
	if out := in.Work(1); !strings.Contains(out, "is newer than this program's") || !strings.Contains(out, "run a newer program") {
		t.Errorf("worker says:\n%s", out)
	}
}
