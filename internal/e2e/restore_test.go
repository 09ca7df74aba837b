package halosync_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/repo/repotest"
)

// pgProgram runs a program of Postgres' own.
func pgProgram(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := devstack.PostgresProgram(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=30")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, said.String())
	}
}

// restored puts a dump into a database of its own, beside a Redis without
// anything in it, and has the site use both from now on.
func (s *site) restored(dump, db string) {
	s.t.Helper()
	pgProgram(s.t, "pg_restore", "--exit-on-error", "--no-owner", "--single-transaction", "--dbname", db, dump)
	s.db = withPassword(s.t, db, "", canaryPassword)
	s.redis = withPassword(s.t, kit.redis.DatabaseURL(int(kit.dbs.Add(1))), "default", canaryRedisPassword)
}

// counts are what must not double, and what must not go.
type counts struct{ Companies, Mappings, Clients, Events, Runs int }

func (s *site) counts() counts {
	s.t.Helper()
	n := repotest.Value[[]int](s.t, s.db, `select array[
		(select count(*) from halosync.companies), (select count(*) from halosync.current_mappings),
		(select count(distinct client_id) from halosync.current_mappings), (select count(*) from halosync.events),
		(select count(*) from halosync.runs)]::int[]`)
	return counts{n[0], n[1], n[2], n[3], n[4]}
}

// Postgres is brought back from a dump of an hour ago, and Redis is empty. What
// was waiting at the time of the dump is executed, credentials open, and what
// the lost hour had done is done again once, from what Halo says.
func TestRestoreFromDump(t *testing.T) {
	t.Parallel()
	elsewhere := repotest.EmptyURL(t) // goes after the site has been searched
	s := newSite(t)
	s.tenant.Seed(300, 7)
	s.connect()
	w := s.startWorker(s.keyset)
	s.must("import", "--connection", "halo", "--all", "--wait")
	w.stop(t)
	first := s.counts()

	// Waiting at the time of the dump: one run that has a task, one that has none.
	for id := range int64(20) {
		s.tenant.Add(halotest.Client{ID: 90_000 + id, Name: fmt.Sprint("New client ", id)})
	}
	waiting := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	inSQL := repotest.Value[string](t, s.db, `select halosync.enqueue('resync', tenant, id, '{}', 'crm')::text from halosync.connections`)
	dump := filepath.Join(t.TempDir(), "halosync.dump")
	pgProgram(t, "pg_dump", "--format=custom", "--file", dump, "--dbname", s.db)

	// The hour that will be lost: both are executed.
	w = s.startWorker(s.keyset)
	ended := func(id string) func() bool {
		return func() bool { r := s.run(id); return r.State == "succeeded" }
	}
	s.eventually("the waiting import has ended", ended(waiting))
	s.eventually("the waiting resync has ended", ended(inSQL))
	w.stop(t)
	lost := s.counts()

	s.restored(dump, elsewhere)
	if got := s.counts(); got.Companies != first.Companies || got.Mappings != first.Mappings || got.Runs != first.Runs+2 {
		t.Fatalf("restored %+v of %+v", got, first)
	}
	w = s.startWorker(s.keyset)
	s.eventually("the import goes on from the ledger", ended(waiting))
	s.eventually("the resync goes on from the ledger", ended(inSQL))
	if got := s.counts(); got != lost || got.Companies != first.Companies+20 || got.Clients != got.Mappings {
		t.Errorf("after the restore %+v, before it %+v", got, lost)
	}
	again := decode[run](t, s.must("import", "--connection", "halo", "--all", "--wait", "-o", "json"))
	if again.Created != 0 || again.Linked != 0 || again.Unchanged+again.Skipped != again.Records || !again.Complete {
		t.Errorf("imported once more: %+v", again)
	}
	w.stop(t)
}
