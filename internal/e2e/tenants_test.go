package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// theirs maps placeholders to ids of another tenant.
type theirs map[string]string

func (ids theirs) in(args []string) []string {
	out := slices.Clone(args)
	for i := range out {
		for name, id := range ids {
			out[i] = strings.ReplaceAll(out[i], name, id)
		}
	}
	return out
}

// forget replaces the ids in a program's output with their placeholders.
func (ids theirs) forget(said string) string {
	for name, id := range ids {
		for _, form := range []string{id, strings.ReplaceAll(id, "-", "")} {
			said = strings.ReplaceAll(said, form, name)
		}
	}
	return regexp.MustCompile(`[0-9a-f]{32}`).ReplaceAllString(said, "SOME-RUN")
}

// Two tenants with the same client ids and names use the same programs, and
// their data stays separate. (In [TestCommandsOfAnotherTenant], commands refer
// to another tenant's ids.)
func TestTwoTenants(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	w := in.StartWorker()
	defer w.Stop(t)
	in.Tenant.Seed(300, 7)
	for _, tenant := range []string{"msp-1", "msp-2"} {
		in.Env = []string{"HALOSYNC_TENANT=" + tenant}
		in.Connect()
		if r := in.ImportAll(); r.State != "succeeded" || r.Created == 0 || r.Linked != 0 || r.Unchanged != 0 {
			t.Errorf("%s: %+v", tenant, r)
		}
	}
	type row struct{ ID, Tenant string }
	ones := installation.Decode[[]row](t, in.Must("--tenant", "msp-1", "companies", "list", "-o", "json"))
	twos := installation.Decode[[]row](t, in.Must("--tenant", "msp-2", "companies", "list", "-o", "json"))
	if len(ones) == 0 || len(ones) != len(twos) {
		t.Fatalf("%d and %d companies", len(ones), len(twos))
	}
	for _, c := range ones {
		if c.Tenant != "msp-1" {
			t.Fatalf("company %s of tenant %s is shown to msp-1", c.ID, c.Tenant)
		}
	}
}

// With names and ids of another tenant, every command has the same output and
// effect as with names and ids that do not exist.
func TestCommandsOfAnotherTenant(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(30, 7)
	w := in.StartWorker()
	defer w.Stop(t)
	in.Connect() // as tenant msp-1
	if r := in.ImportAll(); r.State != "succeeded" && r.State != "partial" {
		t.Fatalf("%+v", r)
	}
	in.Must("companies", "add", "Sesame Locksmiths", "--external-id", "sesame-9")
	in.Must("apikey", "new", "doorkey-7", "--scope", "read")
	in.Must(append(in.AddCommand("own"), "--tenant", "globex")...)
	value := func(sql string) string { return repotest.Value[string](t, in.DB, sql) }
	foreign := theirs{
		"CONN":     value(`select id::text from halosync.connections where tenant = 'msp-1'`),
		"NAME":     "halo",
		"RUN":      value(`select id::text from halosync.runs where tenant = 'msp-1' limit 1`),
		"MAPPING":  value(`select id::text from halosync.mappings where tenant = 'msp-1' limit 1`),
		"COMPANY":  value(`select id::text from halosync.companies where tenant = 'msp-1' and external_id = 'sesame-9'`),
		"KEY":      value(`select id::text from halosync.api_keys where tenant = 'msp-1'`),
		"DOOR":     "doorkey-7",
		"EXTERNAL": "sesame-9",
		"WORD":     "Sesame Locksmiths",
	}
	nowhere := theirs{"NAME": "nope", "DOOR": "nokey-8", "EXTERNAL": "nobody-7", "WORD": "Unheard Locksmiths"}
	for _, name := range []string{"CONN", "RUN", "MAPPING", "COMPANY", "KEY"} {
		nowhere[name] = uuid.NewString()
	}
	type try struct {
		code int
		args string // arguments after the command, separated by "|"
	}
	connection := func(more string) []try { return []try{{1, "CONN" + more}} }
	flag := func(more string) []try { return []try{{1, "--connection|CONN" + more}} }
	run := []try{{1, "RUN"}}
	tries := map[string][]try{
		"clients": append(flag(""), try{1, "--connection|NAME"}), "import": flag("|--all"), "resync": flag(""),
		"suggest": append(flag(""), try{2, "--connection|own|--dismiss|COMPANY=2"}, try{2, "--connection|own|--dismiss|EXTERNAL=2"}),
		"map": append(flag("|x=1"), try{3, "--connection|own|COMPANY=2|--wait"}, try{3, "--connection|own|EXTERNAL=2|--wait"},
			try{3, "--connection|own|WORD=2|--wait"}),
		"mappings": flag(""), "unmap": {{3, "MAPPING"}}, "restore": {{3, "MAPPING"}},
		"companies list": append(flag(""), try{0, "--search|WORD"}), "companies add": {{0, "Anything"}},
		"connection show": append(connection(""), try{1, "NAME"}), "connection test": connection(""), "connection pause": connection(""),
		"connection resume": connection(""), "connection update": connection("|--name|taken"), "connection remove": connection("|--yes"),
		"connection list": {{0, ""}}, "connection add": nil, // tested above
		"schedule list": {{0, ""}}, "schedule set": flag("|0 3 * * *"), "schedule clear": flag(""),
		"runs list": {{0, ""}}, "runs show": run, "runs watch": run, "runs cancel": run, "runs retry": run, "runs approve": run,
		"runs undo":    run,
		"events":       {{0, "--mapping|MAPPING"}, {0, "--run|RUN"}},
		"session list": {{0, ""}}, "session end": {{1, "KEY"}, {1, "--key|KEY"}, {1, "--key|DOOR"}, {0, "--all"}},
		"security":    {{0, ""}},
		"apikey list": {{0, ""}}, "apikey revoke": {{1, "KEY"}, {1, "DOOR"}}, "apikey new": nil, // tested above
		"keyset new": nil, "keyset rotate": nil, "keyset status": nil, "keyset prune": nil, // these commands have no tenant
	}
	before := rowsOf(in, "msp-1")
	known := installation.Commands(t)
	tried, leaks := 0, 0
	for _, command := range known {
		list, ok := tries[command]
		if !ok {
			t.Errorf("%q is missing in this test", command)
		}
		for _, c := range list {
			args := append(strings.Fields(command), "--tenant", "globex")
			if c.args != "" {
				args = append(args, strings.Split(c.args, "|")...)
			}
			tried++
			out, errs, code := in.Enqueue(foreign.in(args)...)
			want, wantErrs, wantCode := in.Enqueue(nowhere.in(args)...)
			said, wantSaid := foreign.forget(out+errs), nowhere.forget(want+wantErrs)
			if strings.Contains(c.args, "--wait") { // the output contains times and progress lines
				said, wantSaid = out, want
				said, wantSaid = reasons(t, foreign.forget(said)), reasons(t, nowhere.forget(wantSaid))
			}
			if code != wantCode || said != wantSaid && c.code != 0 {
				leaks++
				t.Errorf("%v: exit code %d, but %d with an id that does not exist\n%s\n%s", args, code, wantCode, said, wantSaid)
			}
			if code != c.code || code == 1 && !strings.Contains(errs, "does not exist") {
				t.Errorf("%v: exit code %d, want %d\n%s%s", args, code, c.code, out, errs)
			}
			for name, id := range foreign {
				if name != "NAME" && strings.Contains(out, id) && !strings.Contains(strings.Join(foreign.in(args), " "), id) {
					leaks++
					t.Errorf("%v: shows another tenant's %s\n%s", args, name, out)
				}
			}
		}
	}
	if after := rowsOf(in, "msp-1"); after != before {
		leaks++
		t.Error("rows of the other tenant have changed")
	}
	t.Logf("%d commands, %d calls tried, leaks %d", len(known), tried, leaks)
}

// reasons returns a table of outcomes without the ids.
func reasons(t *testing.T, out string) string {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^1 .*no company has this.*$`).FindAllString(out, -1)
	if len(lines) != 1 {
		t.Errorf("want one outcome in:\n%s", out)
	}
	return strings.Join(strings.Fields(strings.Join(lines, "\n")), " ")
}

// rowsOf returns a digest of all rows of a tenant.
func rowsOf(in *installation.Installation, tenant string) string {
	return repotest.Value[string](in.T, in.DB, `
		select md5(string_agg(r, '' order by r)) from (
			select (to_jsonb(c) - '{next_resync_at,next_resync_spec}'::text[])::text as r from halosync.connections c where tenant = $1 union all
			select c::text from halosync.companies c where tenant = $1 union all
			select m::text from halosync.mappings m where tenant = $1 union all
			select c::text from halosync.clients c where tenant = $1 union all
			select r::text from halosync.runs r where tenant = $1 union all
			select i::text from halosync.run_items i where tenant = $1 union all
			select d::text from halosync.dismissals d where tenant = $1 union all
			select l::text from halosync.suggestion_lists l where tenant = $1 union all
			select s::text from halosync.suggestions s where tenant = $1 union all
			select k::text from halosync.api_keys k where tenant = $1 union all
			select e::text from halosync.events e where tenant = $1) everything`, tenant)
}

// A forged task in Redis combines a tenant with another tenant's run or
// connection. No worker executes such a task, and no rows change.
func TestForgedTask(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(5, 7)
	in.Connect()
	victim := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "-o", "json")).ID
	second := installation.Decode[installation.Run](t, in.Must("resync", "--connection", "halo", "-o", "json")).ID
	conn := uuid.MustParse(installation.Decode[struct{ ID string }](t, in.Must("connection", "show", "halo", "-o", "json")).ID)
	in.Must("runs", "cancel", victim)
	in.Must("runs", "cancel", second)
	in.Must(append(in.AddCommand("own"), "--tenant", "globex")...)
	own := installation.Decode[struct{ ID string }](t, in.Must("connection", "show", "own", "--tenant", "globex", "-o", "json")).ID
	in.Redis = in.EmptyRedis() // a Redis without the tasks of those runs
	client, err := tasks.Open(in.Redis)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // closed together with the test
	before := rowsOf(in, "msp-1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// A new run of globex refers to msp-1's connection.
	receipt, err := client.Import(ctx, tasks.ImportArgs{Tenant: "globex", ConnectionID: conn.String(), All: true})
	if err != nil {
		t.Fatal(err)
	}
	// The task refers to msp-1's run, and its arguments name globex.
	forged := tasks.ImportArgs{Tenant: "globex", ConnectionID: conn.String(), All: true}
	if err := tasks.Enqueue(ctx, client, tasks.Import(), victim, forged); err != nil {
		t.Fatal(err)
	}
	// The task refers to msp-1's run, and its arguments name globex and
	// globex's connection.
	if err := tasks.Enqueue(ctx, client, tasks.Resync(), second, tasks.ResyncArgs{Tenant: "globex", ConnectionID: own}); err != nil {
		t.Fatal(err)
	}
	requests := in.Halo.Log().Requests
	w := in.StartWorker()
	for _, id := range []string{receipt.RunID, victim, second} {
		if _, err := client.Wait(ctx, id); !errors.Is(err, tasks.ErrFailed) || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%s: %v", id, err)
		}
	}
	w.Stop(t)
	if n := in.Halo.Log().Requests - requests; n != 0 {
		t.Errorf("%d requests with another tenant's credentials", n)
	}
	if rowsOf(in, "msp-1") != before {
		t.Error("rows of the other tenant have changed")
	}
	// A request in SQL refers to another tenant's connection.
	for _, id := range []string{conn.String(), uuid.NewString()} {
		said := repotest.Refusal(t, in.DB, `select halosync.enqueue('import', 'globex', $1, '{"all": true}', 'eve')`, id)
		if !strings.Contains(said, "connection "+id+" of tenant globex does not exist (SQLSTATE 22023)") {
			t.Errorf("SQL: %s", said)
		}
	}
}

// documented returns the code blocks of one kind from docs/security.md.
func documented(t *testing.T, kind string) []string {
	t.Helper()
	var blocks []string
	parts := strings.Split(installation.ReadFile(t, "docs/security.md"), "\n```") // every second part is a block
	for i := 1; i < len(parts); i += 2 {
		if head, text, _ := strings.Cut(parts[i], "\n"); head == kind {
			blocks = append(blocks, text)
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("docs/security.md has no block %q", kind)
	}
	return blocks
}

// An installation works with exactly the rights listed in docs/security.md: the roles in
// Postgres, the users in Redis, and a Halo application with one scope. It requests only
// tokens and clients from Halo.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	pg := repotest.Server(t, nil)
	blocks := documented(t, "sql")
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of SQL", len(blocks))
	}
	for sql := range strings.SplitSeq(blocks[0], ";") {
		repotest.Exec(t, pg.URL(), sql)
	}
	as := func(role string) string {
		return pg.URLAs("halosync_"+role, "halosync")
	}
	users := documented(t, "")
	in := installation.New(t, installation.Unlimited)
	r := in.PrivateRedis(devstack.RedisOptions{Config: []string{
		"user halosync on >w0rker " + aclRights(t), strings.Replace(line(t, users, "user halosync_product"), ">PASSWORD", ">pr0duct", 1),
	}})
	redisAs := func(login string) string { return strings.Replace(r.URL(), "redis://", "redis://"+login+"@", 1) }

	in.Tenant.Seed(250, 7)
	in.App = in.Tenant.App(installation.ClientID, in.Secrets.Client, halotest.WithScopes("read:customers"))
	strange := make(chan string, 1000)
	in.Halo.OnRequest(func(q halotest.Request) {
		switch q.Route {
		case halotest.RouteToken, halotest.RouteList, halotest.RouteDetail:
			if q.Status < 400 || q.Status == 404 {
				return
			}
		}
		strange <- fmt.Sprintf("%s %s: %d", q.Method, q.Path, q.Status)
	})
	in.Redis = redisAs("halosync:w0rker")
	migrate := exec.Command(installation.Program(t, "worker"), strings.Fields(strings.SplitN(line(t, users, "DATABASE_URL="), " ", 3)[2])...)
	migrate.Env = append(os.Environ(), "DATABASE_URL="+as("owner"))
	if out, err := migrate.CombinedOutput(); err != nil || !strings.Contains(string(out), "halosync_worker has the rights") {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	for sql := range strings.SplitSeq(blocks[1], ";") {
		repotest.Exec(t, as("owner"), sql)
	}

	in.DB, in.Env = as("worker"), []string{"DATABASE_URL=" + as("worker")}
	w := in.StartWorker()
	if _, errs, code := in.Enqueue("apikey", "new", "of a worker", "--scope", "read"); code != 2 || !strings.Contains(errs, "--grant-cli-to") {
		t.Errorf("an API key with the worker's role: exit code %d\n%s", code, errs)
	}
	in.Env = []string{"DATABASE_URL=" + as("cli")}
	in.Must("apikey", "new", "console", "--scope", "admin")
	in.Must("apikey", "list")
	if _, errs, code := in.Enqueue("apikey", "new", "queues", "--scope", "ops"); code != 2 || !strings.Contains(errs, "only the owner of the tables") {
		t.Errorf("a key of the scope ops with the CLI's role: exit code %d\n%s", code, errs)
	}
	in.Env = []string{"DATABASE_URL=" + as("owner")}
	in.Must("apikey", "new", "queues", "--scope", "ops")
	in.Env = []string{"DATABASE_URL=" + as("cli")}
	in.Must("apikey", "revoke", "queues")
	in.Connect()
	in.Must("connection", "test", "halo")
	in.Must("clients", "--connection", "halo", "--all")
	in.Must("companies", "add", "Zebra Crossing", "--external-id", "z-1")
	if r := in.ImportAll(); r.Records != 250 || r.State != "succeeded" && r.State != "partial" {
		t.Errorf("import: %+v", r)
	}
	first := installation.Decode[[]struct {
		ID       string
		ClientID int `json:"client_id"`
	}](t, in.Must("mappings", "-o", "json"))[0]
	in.Must("unmap", first.ID)
	in.Must("suggest", "--connection", "halo", "--min", "0")
	in.Must("suggest", "--connection", "halo", "--dismiss", fmt.Sprintf("z-1=%d", first.ClientID))
	in.Must("restore", first.ID)
	in.Must("map", "--connection", "halo", fmt.Sprintf("z-1=%d", first.ClientID), "--replace", "--wait")
	gone := in.Tenant.Clients()[40].ID
	in.Tenant.Delete(gone)
	if out, errs, code := in.Enqueue("resync", "--connection", "halo", "--wait"); code != 3 { // exit code 3, because one client is missing
		t.Errorf("resync: exit code %d\n%s%s", code, out, errs)
	}
	in.Must("schedule", "set", "--connection", "halo", "0 3 * * *")
	in.Must("schedule", "list")
	in.Must("events")
	in.Must("keyset", "rotate", "--reseal")
	in.Must("keyset", "status")
	id := installation.Decode[[]installation.Run](t, in.Must("runs", "list", "--kind", "import", "-o", "json"))[0].ID
	in.Must("runs", "show", id)
	if _, errs, code := in.Enqueue("runs", "undo", id); code != 0 && code != 3 {
		t.Errorf("undo: %d\n%s", code, errs)
	}

	// The product makes requests through Redis and in SQL, and reads the tables that its
	// role may read.
	client, err := tasks.Open(redisAs("halosync_product:pr0duct"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // with the test
	conn := installation.Decode[struct{ ID string }](t, in.Must("connection", "show", "halo", "-o", "json")).ID
	receipt, err := client.Resync(t.Context(), tasks.ResyncArgs{Tenant: "msp-1", ConnectionID: conn})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Status(t.Context(), receipt.RunID); err != nil {
		t.Error(err)
	}
	if res, err := client.Wait(t.Context(), receipt.RunID); err != nil || res.State != "succeeded" {
		t.Errorf("the product's resync: %+v, %v", res, err)
	}
	run := repotest.Value[uuid.UUID](t, as("product"), `select halosync.enqueue('resync', 'msp-1', $1, '{}', 'crm')`, conn)
	in.Must("runs", "watch", run.String())
	for _, table := range []string{"companies", "clients", "mappings", "runs", "events", "current_mappings", "run_reasons"} {
		if n := repotest.Value[int](t, as("product"), "select count(*) from halosync."+table); n == 0 {
			t.Errorf("the product sees no rows in %s", table)
		}
	}
	for _, sql := range []string{`select secret_sealed from halosync.connections`, `select from halosync.run_items`, `delete from halosync.mappings`, `update halosync.runs set state = 'queued'`} {
		if said := repotest.Refusal(t, as("product"), sql); !strings.Contains(said, "42501") {
			t.Errorf("the product, %s: %s", sql, said)
		}
	}
	for _, role := range []string{"worker", "cli"} {
		if n := repotest.Value[int](t, as(role), `select count(*) from halosync.mappings`); n != 0 {
			t.Errorf("a session of the role %s without a tenant sees %d rows", role, n)
		}
	}
	if said := repotest.Refusal(t, as("product")+"&halosync.tenant=msp-2", `select halosync.enqueue('resync', 'msp-1', $1, '{}', 'crm')`, conn); !strings.Contains(said, "does not exist") {
		t.Errorf("the product requests a run of another tenant: %s", said)
	}
	in.Must(in.AddCommand("second")...)
	in.Must("connection", "remove", "second", "--yes")
	w.Stop(t)
	if log := w.Log.String(); strings.Contains(log, "row level security") || strings.Contains(log, "more rights") || strings.Contains(log, "NOPERM") || strings.Contains(log, "42501") {
		t.Errorf("the worker says:\n%s", log)
	}
	close(strange)
	for what := range strange {
		t.Errorf("the installation sent Halo a request that is not read-only: %s", what)
	}
}

// line returns the block that begins with head, as a single line.
func line(t *testing.T, blocks []string, head string) string {
	t.Helper()
	for _, b := range blocks {
		if strings.HasPrefix(b, head) {
			return strings.Join(strings.Fields(b), " ")
		}
	}
	t.Fatalf("docs/security.md has no block that begins with %q", head)
	return ""
}
