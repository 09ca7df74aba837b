package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// When the time slice of an import is over, the import writes the pages that it has
// already requested. If another run is waiting, the import then frees its slot;
// otherwise it continues.
func TestImportYieldsToWaitingRuns(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 12_000)
	conn, other := w.connect("acme", "main"), w.connect("globex", "main")
	w.engine = w.engine.With(func(c *enginetest.Config) { c.MinSlice, c.TenantRuns = time.Nanosecond, 2 })
	row, err := dispatch.NewRun(repo.KindImport, tasks.NewRunID(), all(other))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.store.CreateRun(t.Context(), row); err != nil {
		t.Fatal(err)
	}

	j := job(all(conn))
	for page, before := 1, 0; page <= 2; page++ {
		_, err := w.engine.Import(t.Context(), j)
		if after, put := tasks.IsLater(err); !put || after != 0 || !strings.Contains(err.Error(), "time slice is over") {
			t.Fatalf("execution %d: %v", page, err)
		}
		run := w.run(j)
		if n := run.Pages - before; run.State != repo.StateQueued || n < 4 || n > 50 || run.WaitReason == "" {
			t.Errorf("execution %d: %s after %d pages, %q", page, run.State, n, run.WaitReason)
		}
		before = run.Pages
	}
	dry := all(conn)
	dry.DryRun = true
	if _, err := w.engine.Import(t.Context(), job(dry)); err != nil {
		t.Errorf("dry run: %v", err)
	}
	repotest.Exec(t, w.url, `update halosync.runs set not_before = now() + interval '1 hour' where id = $1`, row.ID)
	if _, err := w.engine.Import(t.Context(), j); err != nil {
		t.Fatalf("no other run waits: %v", err)
	}
	if run := w.run(j); run.State != repo.StateSucceeded || run.Created != 12_000 || run.Attempt != 3 {
		t.Errorf("%s, %d executions", counts(run), run.Attempt)
	}
}

// A small import runs at once, even if a large import runs on the same connection and
// the tenant has reached its maximum of bulk runs.
func TestSmallImportBesideLarge(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 300)
	conn := w.connect("acme", "main")
	one := func(c *enginetest.Config) { c.TenantRuns = 1 }
	w.engine, w.second = w.engine.With(one), w.second.With(one)
	small := job(tasks.ImportArgs{Tenant: "acme", ConnectionID: conn.ID.String(), ClientIDs: []int64{2, 3, 250}})
	tried := false
	w.before(4, func() {
		tried = true
		if _, err := w.second.Import(t.Context(), small); err != nil {
			t.Errorf("small import during the large one: %v", err)
		}
	})
	large := w.finish(job(all(conn)))
	first := w.run(small)
	if !tried || first.State != repo.StateSucceeded || first.Records != 3 || first.FinishedAt.After(*large.FinishedAt) {
		t.Errorf("small: %s", counts(first))
	}
	if first.Created+large.Created != 300 || first.Unchanged+large.Unchanged != 3 {
		t.Errorf("small: %s\nlarge: %s", counts(first), counts(large))
	}
	if n := len(w.mappings("acme")); n != 300 {
		t.Errorf("%d mappings of 300 clients", n)
	}
}

// A run is interactive in package tasks if and only if the ledger does not count it as
// a bulk run.
func TestBulkRunsAreNotInteractive(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	ids := make([]int64, 101)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	args := tasks.ImportArgs{Tenant: "acme", ConnectionID: repo.Hex([16]byte{1})}
	everything, search := args, args
	everything.All, search.Search = true, "x"
	imports := []tasks.ImportArgs{everything, search}
	for _, n := range []int{1, 100, 101} {
		some := args
		some.ClientIDs = ids[:n]
		imports = append(imports, some)
	}
	for _, args := range imports {
		row, err := dispatch.NewRun(repo.KindImport, tasks.NewRunID(), args)
		if err != nil {
			t.Fatal(err)
		}
		bulk := repotest.Value[bool](t, w.url, `select halosync.is_bulk('import', $1)`, string(row.Args))
		if interactive := tasks.Import().Queue(args) == tasks.QueueInteractive; bulk == interactive {
			t.Errorf("%d ids: bulk %v, interactive %v", len(args.ClientIDs), bulk, interactive)
		}
	}
}

// A blocked run starts as soon as the blocking run ends, before its retry time.
func TestBlockedRunStartsEarly(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	q.connect("acme", "other")
	q.engine = q.engine.With(func(c *enginetest.Config) { c.TenantRuns = 1 })
	address, err := tasks.ParseAddress(q.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	server, err := tasks.NewServer(tasks.ServerConfig{Redis: address, Concurrency: 4})
	if err != nil {
		t.Fatal(err)
	}
	tasks.Handle(server, tasks.Import(), q.engine.Import)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()

	ask := func(req engine.ImportRequest) repo.Run {
		receipt, err := q.engine.RequestImport(t.Context(), "acme", req)
		if err != nil {
			t.Fatal(err)
		}
		return q.read(receipt.RunID)
	}
	hold := make(chan struct{})
	q.before(2, func() { <-hold })
	first := ask(engine.ImportRequest{Connection: "main", All: true})
	q.until("the first is running", func() bool { return q.read(engine.RunID(first.ID)).State == repo.StateRunning })
	waiting := []repo.Run{
		ask(engine.ImportRequest{Connection: "main", Search: "Client"}), // blocked by the connection, too
		ask(engine.ImportRequest{Connection: "other", All: true}),
	}
	for _, run := range waiting {
		q.until("it was refused", func() bool { return q.read(engine.RunID(run.ID)).WaitReason != "" })
	}
	close(hold)
	ended := []repo.Run{q.ended(first), q.ended(waiting[0]), q.ended(waiting[1])}
	slices.SortFunc(ended, func(a, b repo.Run) int { return a.StartedAt.Compare(*b.StartedAt) })
	for i := range waiting {
		if gap := ended[i+1].StartedAt.Sub(*ended[i].FinishedAt); gap < 0 || gap > 3*time.Second {
			t.Errorf("run %d started %v after the blocking run had ended", i+2, gap)
		}
	}
}

func (q *queued) read(runID string) repo.Run {
	q.t.Helper()
	run, err := q.engine.Run(q.t.Context(), "acme", runID)
	if err != nil {
		q.t.Fatal(err)
	}
	return run
}

// until waits up to a minute for a condition.
func (q *queued) until(what string, ok func() bool) {
	q.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			q.t.Fatalf("did not happen within a minute: %s", what)
		}
	}
}

func (q *queued) ended(run repo.Run) repo.Run {
	q.t.Helper()
	q.until("end of run "+engine.RunID(run.ID), func() bool { return q.read(engine.RunID(run.ID)).Ended() })
	return q.read(engine.RunID(run.ID))
}
