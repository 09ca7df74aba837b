package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// plainClients adds n active clients named "Client 2", "Client 3" and so on, whose ids
// start at 2.
func plainClients(w *fixture, n int) {
	for i := range n {
		id := int64(i + 2)
		w.tenant.Add(halotest.Client{ID: id, Name: "Client " + strings.Repeat("x", i%7) + string(rune('A'+i%26)) + " " + itoa(i)})
	}
}

func TestImportAllThenAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 250)
	w.tenant.Add(halotest.Client{ID: 900, Name: "Closed", Inactive: true}, halotest.Client{ID: 1, Name: "Unknown"})
	conn := w.connect("t1", "c")

	first := w.importAll(conn)
	if got, want := counts(first), "succeeded: 252 records, 250 created, 0 linked, 0 refreshed, 0 unchanged, 0 ambiguous, 2 skipped, 0 failed, complete"; got != want {
		t.Errorf("first import\n got %s\nwant %s", got, want)
	}
	if first.Pages != 3 || first.RecordsTotal != 252 || len(first.Items) != 0 {
		t.Errorf("%d pages, %d expected, items %v", first.Pages, first.RecordsTotal, first.Items)
	}
	mappings := w.mappings("t1")
	if len(mappings) != 250 || len(w.companies("t1")) != 250 {
		t.Fatalf("%d mappings, %d companies", len(mappings), len(w.companies("t1")))
	}
	for _, m := range mappings {
		if m.CompanyName != m.ClientName || m.State != repo.MappingOK || m.MappedBy != "import" || m.MappedAt.IsZero() {
			t.Fatalf("mapping %+v", m)
		}
	}

	w.tenant.Rename(7, "Renamed")
	w.tenant.Deactivate(9)
	second := w.importAll(conn)
	if got, want := counts(second), "succeeded: 252 records, 0 created, 0 linked, 2 refreshed, 248 unchanged, 0 ambiguous, 2 skipped, 0 failed, complete"; got != want {
		t.Errorf("second import\n got %s\nwant %s", got, want)
	}
	for _, m := range w.mappings("t1") {
		switch m.ClientID {
		case 7:
			if m.ClientName != "Renamed" || m.CompanyName == "Renamed" {
				t.Errorf("renamed client: mapping %+v; the company keeps its name", m)
			}
		case 9:
			if !m.ClientInactive || m.State != repo.MappingInactive {
				t.Errorf("deactivated client: mapping %+v", m)
			}
		}
	}
}

func TestImportLinksAndLeavesAmbiguousAlone(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.tenant.Add(
		halotest.Client{ID: 11, Name: "Müller & Söhne"}, halotest.Client{ID: 12, Name: "Twice"},
		halotest.Client{ID: 13, Name: "New"}, halotest.Client{ID: 14, Name: "NEW "},
	)
	conn := w.connect("t1", "c")
	if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{"MU\u0308LLER & SO\u0308HNE", "twice", "Twice"}, ""); err != nil {
		t.Fatal(err)
	}
	run := w.importAll(conn)
	if got, want := counts(run), "partial: 4 records, 2 created, 1 linked, 0 refreshed, 0 unchanged, 1 ambiguous, 0 skipped, 0 failed, complete"; got != want {
		t.Errorf("import\n got %s\nwant %s", got, want)
	}
	if len(run.Items) != 1 || run.Items[0].ClientID != 12 || run.Items[0].Outcome != repo.Ambiguous || !strings.Contains(run.Items[0].Reason, "2 unmapped") {
		t.Errorf("items %+v", run.Items)
	}
	if n := len(w.companies("t1")); n != 5 {
		t.Errorf("%d companies, want 3 existing and 2 new companies", n)
	}
}

func TestImportBySearch(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.tenant.Add(halotest.Client{ID: 11, Name: "Bakery One"}, halotest.Client{ID: 12, Name: "Butcher"}, halotest.Client{ID: 13, Name: "The bakery"})
	conn := w.connect("t1", "c")
	args := all(conn)
	args.All, args.Search = false, "BAKERY"
	if got, want := counts(w.finish(job(args))), "succeeded: 2 records, 2 created, 0 linked, 0 refreshed, 0 unchanged, 0 ambiguous, 0 skipped, 0 failed, complete"; got != want {
		t.Errorf("import\n got %s\nwant %s", got, want)
	}
}

func TestImportByID(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 300)
	w.tenant.Add(halotest.Client{ID: 900, Name: "Closed", Inactive: true}, halotest.Client{ID: 1, Name: "Unknown"})
	conn := w.connect("t1", "c")
	few := all(conn)
	few.All, few.ClientIDs = false, []int64{900, 1, 2, 2, 4711}
	run := w.finish(job(few))
	if got, want := counts(run), "partial: 4 records, 2 created, 0 linked, 0 refreshed, 0 unchanged, 0 ambiguous, 0 skipped, 2 failed, complete"; got != want {
		t.Errorf("a few\n got %s\nwant %s", got, want)
	}
	var items []int64
	for _, i := range run.Items {
		items = append(items, i.ClientID)
	}
	slices.Sort(items)
	if !slices.Equal(items, []int64{1, 4711}) {
		t.Errorf("items for %v, want items for the Unknown client and the missing client", items)
	}

	// Many ids are read by listing clients, which takes fewer requests. A missing
	// client still gets its own request.
	many := few
	many.ClientIDs = []int64{5000}
	for id := int64(2); id <= 250; id++ {
		many.ClientIDs = append(many.ClientIDs, id)
	}
	before := w.halo.Log().Requests
	run = w.finish(job(many))
	if got, want := counts(run), "partial: 250 records, 248 created, 0 linked, 0 refreshed, 1 unchanged, 0 ambiguous, 0 skipped, 1 failed, complete"; got != want {
		t.Errorf("many\n got %s\nwant %s", got, want)
	}
	if used := w.halo.Log().Requests - before; used > 10 {
		t.Errorf("%d requests for 250 of 302 clients", used)
	}
}

// If the agent may not read a chosen client, only that client fails, and the connection
// stays active.
func TestImportByIDWithoutRights(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{HiddenForbidden: true}))
	plainClients(w, 10)
	conn := w.connect("t1", "c")
	w.app.Rights(halotest.ReadSome(func(id int64) bool { return id != 5 }))
	w.app.Revoke()
	args := all(conn)
	args.All, args.ClientIDs = false, []int64{4, 5}
	run := w.finish(job(args))
	if got, want := counts(run), "partial: 2 records, 1 created, 0 linked, 0 refreshed, 0 unchanged, 0 ambiguous, 0 skipped, 1 failed, complete"; got != want {
		t.Errorf("import\n got %s\nwant %s", got, want)
	}
	if conn, err := w.engine.FindConnection(t.Context(), "t1", "c"); err != nil || conn.State != repo.Active {
		t.Errorf("connection is %s, %v", conn.State, err)
	}
}

func TestDryRunWritesNothingButItself(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 150)
	// There is one unmapped company, and clients with its name are on two pages.
	w.tenant.Rename(5, "Same")
	w.tenant.Rename(140, "same")
	conn := w.connect("t1", "c")
	if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{"SAME"}, ""); err != nil {
		t.Fatal(err)
	}
	args := all(conn)
	args.DryRun = true
	dry := w.finish(job(args))
	if len(w.mappings("t1")) != 0 || len(w.companies("t1")) != 1 {
		t.Errorf("after the dry run: %d mappings, %d companies", len(w.mappings("t1")), len(w.companies("t1")))
	}
	wet := w.importAll(conn)
	if counts(dry) != counts(wet) {
		t.Errorf("the dry run promised\n     %s\nthe import did\n     %s", counts(dry), counts(wet))
	}
}

func TestTenantsAndConnectionsDoNotMix(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 120)
	a, b, b2 := w.connect("a", "c"), w.connect("b", "c"), w.connect("b", "second")
	for _, conn := range []repo.Connection{a, b} {
		if run := w.importAll(conn); run.Created != 120 {
			t.Errorf("tenant %s: %s", conn.Tenant, counts(run))
		}
	}
	// A second connection to the same Halo finds the existing companies.
	if run := w.importAll(b2); run.Linked != 120 || run.Created != 0 {
		t.Errorf("second connection: %s", counts(run))
	}
	if len(w.companies("a")) != 120 || len(w.companies("b")) != 120 || len(w.mappings("b")) != 240 {
		t.Errorf("%d, %d companies; %d mappings", len(w.companies("a")), len(w.companies("b")), len(w.mappings("b")))
	}
	// A task with a connection of another tenant is refused.
	stranger := all(a)
	stranger.Tenant = "b"
	if _, err := w.engine.Import(t.Context(), job(stranger)); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("tenant b with a's connection: %v", err)
	}
}

func TestCancelEndsAtAPage(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 500)
	conn := w.connect("t1", "c")
	j := job(all(conn))
	w.halo.AfterPage(func(e halotest.PageEvent) {
		if e.Page == 3 {
			if _, err := w.engine.Cancel(t.Context(), "t1", j.RunID, "anna"); err != nil {
				t.Error(err)
			}
		}
	})
	run := w.finish(j)
	if run.State != repo.StateCancelled || run.Created == 0 || run.Created == 500 || run.Complete {
		t.Errorf("run %s", counts(run))
	}
	if again, err := w.engine.Cancel(t.Context(), "t1", j.RunID, "anna"); err != nil || again.State != repo.StateCancelled {
		t.Errorf("second cancel: %v, %v", again.State, err)
	}
}

func TestDrainingGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 1000)
	conn := w.connect("t1", "c")
	j := job(all(conn))
	draining := make(chan struct{})
	close(draining)
	executions := 0
	for {
		executions++
		stopping := j
		stopping.Draining = draining // each execution writes one page
		_, err := w.engine.Import(t.Context(), stopping)
		if run := w.run(j); run.Ended() {
			if run.Created != 1000 || !run.Complete || run.Attempt != executions {
				t.Errorf("after %d executions: %s, attempt %d", executions, counts(run), run.Attempt)
			}
			break
		}
		if after, put := tasks.IsLater(err); !put || after != 0 {
			t.Fatalf("execution %d: %v, want it postponed without a delay", executions, err)
		}
	}
	if executions != 10 {
		t.Errorf("%d executions for 10 pages", executions)
	}
}

func TestSecondRunWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 300)
	conn := w.connect("t1", "c")
	first, second := job(all(conn)), job(all(conn))
	second.Args.All, second.Args.Search = false, "Client"
	busy := false
	w.before(4, func() {
		busy = true
		_, err := w.second.Import(t.Context(), second)
		var other *repo.BusyError
		if after, put := tasks.IsLater(err); !put || after == 0 || !errors.As(err, &other) {
			t.Errorf("second run during the first: %v", err)
		}
	})
	if run := w.finish(first); run.Created != 300 {
		t.Errorf("first: %s", counts(run))
	}
	if !busy {
		t.Fatal("the second run was never executed")
	}
	if run := w.finish(second); run.Unchanged != 300 {
		t.Errorf("second: %s", counts(run))
	}
}

// If two executions of one run overlap, the older execution must not write.
func TestOvertakenExecutionWritesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 400)
	conn := w.connect("t1", "c")
	j := job(all(conn))
	over := make(chan struct{})
	w.before(5, func() {
		defer close(over)
		if _, err := w.second.Import(t.Context(), j); err != nil {
			t.Errorf("newer execution: %v", err)
		}
		if run := w.run(j); run.Created != 400 || !run.Complete {
			t.Errorf("newer execution: %s", counts(run))
		}
	})
	_, err := w.engine.Import(t.Context(), j)
	<-over
	if err == nil || !errors.Is(err, repo.ErrFenced) {
		t.Errorf("older execution: %v, want a fence error", err)
	}
	if n := len(w.mappings("t1")); n != 400 {
		t.Errorf("%d mappings", n)
	}
}
