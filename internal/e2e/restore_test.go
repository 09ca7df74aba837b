package e2e

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// pgProgram runs one of Postgres' programs on a database. It passes the URL in
// the environment, as docs/operating.md recommends, because every user of the
// machine can read command lines.
func pgProgram(in *installation.Installation, db, name string, args ...string) {
	in.T.Helper()
	program, err := devstack.PostgresProgram(name)
	if err != nil {
		in.T.Fatal(err)
	}
	u, err := url.Parse(db)
	if err != nil {
		in.T.Fatal(err)
	}
	password, _ := u.User.Password()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=30", "PGHOST="+u.Query().Get("host"), "PGDATABASE="+strings.TrimPrefix(u.Path, "/"),
		"PGUSER="+u.User.Username(), "PGPASSWORD="+password)
	in.Keep("command lines", strings.Join(cmd.Args, " "))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		in.T.Fatalf("%s: %v\n%s", name, err, said.String())
	}
}

// restored restores a dump into a new database. The installation then uses that
// database and an empty Redis.
func restored(in *installation.Installation, dump, db string) {
	in.T.Helper()
	pgProgram(in, db, "pg_restore", "--exit-on-error", "--no-owner", "--single-transaction", "--dbname="+path.Base(strings.Split(db, "?")[0]), dump)
	in.DB = db
	in.Redis = installation.WithPassword(in.T, in.EmptyRedis(), "default", in.Secrets.Redis)
}

// rowCounts holds the number of rows in each table that must not lose or
// duplicate rows.
type rowCounts struct{ Companies, Mappings, Clients, Events, Runs int }

func countRows(in *installation.Installation) rowCounts {
	in.T.Helper()
	n := repotest.Value[[]int](in.T, in.DB, `select array[
		(select count(*) from halosync.companies), (select count(*) from halosync.current_mappings),
		(select count(distinct client_id) from halosync.current_mappings), (select count(*) from halosync.events),
		(select count(*) from halosync.runs)]::int[]`)
	return rowCounts{n[0], n[1], n[2], n[3], n[4]}
}

// Postgres is restored from an hour-old dump, and Redis is empty. The worker can decrypt
// the credentials and executes the runs that were queued at the time of the dump. It
// repeats the work of the lost hour from Halo's data.
func TestRestoreFromDump(t *testing.T) {
	t.Parallel()
	elsewhere := repotest.EmptyURL(t) // removed after the search for secrets
	in := installation.New(t)
	elsewhere = installation.WithPassword(t, elsewhere, "", in.Secrets.Postgres)
	in.Tenant.Seed(300, 7)
	in.Connect()
	w := in.StartWorker()
	in.Must("import", "--connection", "halo", "--all", "--wait")
	w.Stop(t)
	first := countRows(in)

	// At the time of the dump, two runs are queued: one has a task, the other
	// has none.
	for id := range int64(20) {
		in.Tenant.Add(halotest.Client{ID: 90_000 + id, Name: fmt.Sprint("New client ", id)})
	}
	waiting := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "-o", "json")).ID
	inSQL := repotest.Value[string](t, in.DB, `select halosync.enqueue('resync', tenant, id, '{}', 'crm')::text from halosync.connections`)
	dump := filepath.Join(t.TempDir(), "halosync.dump")
	pgProgram(in, in.DB, "pg_dump", "--format=custom", "--file", dump)

	// Both runs are executed after the dump, so the restore loses their
	// results.
	w = in.StartWorker()
	ended := func(id string) func() bool {
		return func() bool { r := in.Run(id); return r.State == "succeeded" }
	}
	in.Eventually("the queued import has ended", ended(waiting))
	in.Eventually("the queued resync has ended", ended(inSQL))
	w.Stop(t)
	lost := countRows(in)

	restored(in, dump, elsewhere)
	if got := countRows(in); got.Companies != first.Companies || got.Mappings != first.Mappings || got.Runs != first.Runs+2 {
		t.Fatalf("restored %+v of %+v", got, first)
	}
	w = in.StartWorker()
	in.Eventually("the import continues from the ledger", ended(waiting))
	in.Eventually("the resync continues from the ledger", ended(inSQL))
	if got := countRows(in); got != lost || got.Companies != first.Companies+20 || got.Clients != got.Mappings {
		t.Errorf("after the restore %+v, before it %+v", got, lost)
	}
	again := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "--wait", "-o", "json"))
	if again.Created != 0 || again.Linked != 0 || again.Unchanged+again.Skipped != again.Records || !again.Complete {
		t.Errorf("imported again: %+v", again)
	}
	w.Stop(t)
}
