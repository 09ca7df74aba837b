package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

func TestTurn(t *testing.T) {
	t.Parallel()
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Second)
	for name, tt := range map[string]struct {
		ask, ends time.Time
		others    bool
		draining  bool
		want      error
		asked     bool
	}{
		"fresh":                     {ask: soon, ends: soon, others: true},
		"nobody waits":              {ask: past, ends: soon, asked: true},
		"others wait":               {ask: past, ends: soon, others: true, asked: true, want: errSliceOver},
		"slice is over":             {ask: past, ends: past, want: errSliceOver},
		"in one piece":              {ask: past, others: true},
		"worker stops":              {ask: soon, ends: soon, draining: true, want: errDraining},
		"in one piece, worker stop": {ask: past, draining: true, want: errDraining},
	} {
		draining := make(chan struct{})
		if tt.draining {
			close(draining)
		}
		asked := 0
		turn := turn{draining: draining, ask: tt.ask, ends: tt.ends, others: func(context.Context) bool { asked++; return tt.others }}
		if got := turn.over(t.Context()); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		_ = turn.over(t.Context()) // does not ask again so soon
		if (asked == 1) != tt.asked || asked > 1 {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

func TestBusyWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		waited time.Duration
		chance float64
		want   time.Duration
	}{
		{0, 0, 5 * time.Second},
		{-time.Minute, 0, 5 * time.Second}, // clocks differ
		{0, 0.5, 6250 * time.Millisecond},
		{time.Minute, 0, 15 * time.Second},
		{time.Hour, 0, 20 * time.Second},
		{time.Hour, 0.999, 29990 * time.Millisecond},
	} {
		if got := busyWait(tt.waited, tt.chance); got != tt.want {
			t.Errorf("busyWait(%v, %v) = %v, want %v", tt.waited, tt.chance, got, tt.want)
		}
	}
}

// An import hands its slot over after a page and those that are on their way or
// wait, once its turn is over, if somebody waits for it; else it goes on.
func TestImportStandsAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	plainClients(w, 12_000)
	conn, other := w.connect("acme", "main"), w.connect("globex", "main")
	w.engine.turn, w.engine.tenantRuns = time.Nanosecond, 2
	row, err := newRun(repo.KindImport, tasks.NewRunID(), all(other), other.Tenant, other.ID.String(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.store.CreateRun(t.Context(), row); err != nil {
		t.Fatal(err)
	}

	j := job(all(conn))
	for page, before := 1, 0; page <= 2; page++ {
		_, err := w.engine.Import(t.Context(), j)
		if after, put := tasks.IsLater(err); !put || after != 0 || !errors.Is(err, errSliceOver) {
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
		t.Fatalf("nobody waits any more: %v", err)
	}
	if run := w.run(j); run.State != repo.StateSucceeded || run.Created != 12_000 || run.Attempt != 3 {
		t.Errorf("%s, %d executions", counts(run), run.Attempt)
	}
}

// A few clients are imported at once although everything is being imported on
// the same connection, and by as many runs of the tenant as may be.
func TestSmallImportBesideLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	plainClients(w, 300)
	conn := w.connect("acme", "main")
	w.engine.tenantRuns, w.second.tenantRuns = 1, 1
	small := job(tasks.ImportArgs{Tenant: "acme", ConnectionID: conn.ID.String(), ClientIDs: []int64{2, 3, 250}})
	tried := false
	w.before(4, func() {
		tried = true
		if _, err := w.second.Import(t.Context(), small); err != nil {
			t.Errorf("small import beside the large one: %v", err)
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

// What the queue's contract calls interactive is what the ledger does not
// count among bulk runs.
func TestBulkIsWhatIsNotInteractive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
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
		row, err := newRun(repo.KindImport, tasks.NewRunID(), args, args.Tenant, args.ConnectionID, "")
		if err != nil {
			t.Fatal(err)
		}
		bulk := repotest.Value[bool](t, w.url, `select halosync.is_bulk('import', $1)`, string(row.Args))
		if interactive := tasks.Import().Queue(args) == tasks.QueueInteractive; bulk == interactive {
			t.Errorf("%d ids: bulk %v, interactive %v", len(args.ClientIDs), bulk, interactive)
		}
	}
}

// A run that was refused goes on as soon as the one in its way has ended, and
// not when its time comes.
func TestNextIsHurried(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	q.connect("acme", "other")
	q.engine.tenantRuns = 1
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

	ask := func(req ImportRequest) repo.Run {
		receipt, err := q.engine.RequestImport(t.Context(), "acme", req)
		if err != nil {
			t.Fatal(err)
		}
		return q.read(receipt.RunID)
	}
	hold := make(chan struct{})
	q.before(2, func() { <-hold })
	first := ask(ImportRequest{Connection: "main", All: true})
	q.until("the first is running", func() bool { return q.read(RunID(first.ID)).State == repo.StateRunning })
	waiting := []repo.Run{
		ask(ImportRequest{Connection: "main", Search: "Client"}), // for the connection, too
		ask(ImportRequest{Connection: "other", All: true}),
	}
	for _, run := range waiting {
		q.until("it was refused", func() bool { return q.read(RunID(run.ID)).WaitReason != "" })
	}
	close(hold)
	ended := []repo.Run{q.ended(first), q.ended(waiting[0]), q.ended(waiting[1])}
	slices.SortFunc(ended, func(a, b repo.Run) int { return a.StartedAt.Compare(*b.StartedAt) })
	for i := range waiting {
		if gap := ended[i+1].StartedAt.Sub(*ended[i].FinishedAt); gap < 0 || gap > 3*time.Second {
			t.Errorf("run %d started %v after the one in its way had ended", i+2, gap)
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

// until waits for a condition, for a minute at most.
func (q *queued) until(what string, ok func() bool) {
	q.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			q.t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (q *queued) ended(run repo.Run) repo.Run {
	q.t.Helper()
	q.until("end of run "+RunID(run.ID), func() bool { return q.read(RunID(run.ID)).Ended() })
	return q.read(RunID(run.ID))
}
