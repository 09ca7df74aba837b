package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/scheduler"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// queued is a fixture with its own Redis and no worker on its queue.
type queued struct {
	*fixture
	redis *devstack.Redis
	queue *tasks.Client
	conn  repo.Connection
}

func newQueued(t *testing.T) *queued {
	t.Helper()
	server, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := tasks.Open(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(queue.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	w := newFixture(t, 10)
	w.engine = w.engine.With(func(c *enginetest.Config) { c.Queue = queue })
	return &queued{w, server, queue, w.connect("acme", "main")}
}

func (q *queued) tick() scheduler.Ticked {
	q.t.Helper()
	ticked, err := q.engine.Tick(q.t.Context())
	if err != nil {
		q.t.Fatal(err)
	}
	return ticked
}

// requestImport requests the import of one client.
func (q *queued) requestImport(client int64) engine.Receipt {
	q.t.Helper()
	receipt, err := q.engine.RequestImport(q.t.Context(), "acme", engine.ImportRequest{Connection: "main", ClientIDs: []int64{client}, RequestedBy: "ann"})
	if err != nil {
		q.t.Fatal(err)
	}
	return receipt
}

// inQueue reports whether a run has a task.
func (q *queued) inQueue(runID string) bool {
	q.t.Helper()
	_, err := q.queue.Status(q.t.Context(), runID)
	if err != nil && !errors.Is(err, tasks.ErrUnknownRun) {
		q.t.Fatal(err)
	}
	return err == nil
}

// crash stops Redis without saving its data.
func (q *queued) crash() {
	q.t.Helper()
	if err := q.redis.Halt(); err != nil {
		q.t.Fatal(err)
	}
}

func (q *queued) resume() {
	q.t.Helper()
	if err := q.redis.Resume(q.t.Context()); err != nil {
		q.t.Fatal(err)
	}
}

// If Redis restarts empty, every unfinished run is enqueued once.
func TestQueueThatLostEverything(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	q.tick() // sets the epoch
	var ids []string
	for client := range int64(5) {
		ids = append(ids, q.requestImport(client+1).RunID)
	}
	if _, err := q.engine.Cancel(t.Context(), "acme", ids[4], "ann"); err != nil {
		t.Fatal(err)
	}
	q.crash()
	if _, err := q.engine.Tick(t.Context()); err == nil {
		t.Error("no error while Redis is unavailable")
	}
	q.resume()
	if n := q.tick().Dispatched; n != 4 {
		t.Errorf("%d runs dispatched, want the 4 that have not ended", n)
	}
	for i, id := range ids {
		if q.inQueue(id) != (i < 4) {
			t.Errorf("run %d in the queue: %v", i, i >= 4)
		}
	}
	if n := q.tick().Dispatched; n != 0 {
		t.Errorf("%d runs dispatched again", n)
	}
}

// A damaged task of one run, or a forged entry in the list of unrecorded runs, does not
// prevent other runs from being dispatched. The damaged task is replaced.
func TestDispatchDespiteBrokenTasks(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	q.tick()
	broken, good := q.requestImport(1).RunID, q.requestImport(2).RunID
	do := func(args ...string) string {
		t.Helper()
		reply, err := q.redis.Do(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	damaged := 0
	for _, queue := range []string{tasks.QueueInteractive, tasks.QueueImport, tasks.QueueResync} {
		if key := "asynq:{" + queue + "}:t:" + broken; do("EXISTS", key) == "1" {
			damaged++
			do("HSET", key, "msg", "\xff\xff")
		}
	}
	if damaged != 1 || q.inQueue(broken) {
		t.Fatalf("%d tasks of the run were damaged", damaged)
	}
	do("RPUSH", "halosync:unseen", "x", "not/a/run", broken)
	do("DEL", "halosync:mark") // every run is dispatched again
	if n := q.tick().Dispatched; n != 2 {
		t.Errorf("%d runs dispatched, want 2", n)
	}
	for _, id := range []string{broken, good} {
		if !q.inQueue(id) {
			t.Errorf("run %s is not in the queue", id)
		}
	}
}

// If Postgres is unavailable when the loss is found, a later tick repairs the loss.
func TestQueueThatLostEverythingWithPostgresAway(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	q.tick()
	id := q.requestImport(1).RunID
	q.crash()
	q.resume()
	repotest.Exec(t, q.url, `create function away() returns trigger language plpgsql as $$
		begin raise exception 'the database system is shutting down' using errcode = '57P01'; end $$`)
	repotest.Exec(t, q.url, `create trigger away before update on halosync.runs for each row execute function away()`)
	if _, err := q.engine.Tick(t.Context()); !errors.Is(err, repo.ErrUnavailable) {
		t.Errorf("while Postgres is unavailable: %v", err)
	}
	repotest.Exec(t, q.url, `drop trigger away on halosync.runs`)
	if n := q.tick().Dispatched; n != 1 || !q.inQueue(id) {
		t.Errorf("%d runs dispatched, want the one that was lost", n)
	}
}

// A request succeeds even if the queue is unavailable; a worker enqueues the run later.
func TestRequestWithoutQueue(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	q.tick()
	q.crash()
	receipt := q.requestImport(1)
	if receipt.NotQueued == nil || receipt.Existing {
		t.Fatalf("receipt %+v", receipt)
	}
	if again := q.requestImport(1); again.RunID != receipt.RunID || !again.Existing || again.NotQueued == nil {
		t.Errorf("the same request: %+v, want run %s", again, receipt.RunID)
	}
	q.resume()
	if n := q.tick().Dispatched; n != 1 || !q.inQueue(receipt.RunID) {
		t.Errorf("%d dispatched, in the queue: %v", n, q.inQueue(receipt.RunID))
	}
}

// Neither a task nor a request in SQL can name a requester that only halosync's own
// programs record.
func TestRequesterIsNotForged(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	for i, by := range []string{"key:console", " user:ann", "cli", "schedule"} {
		receipt, err := q.queue.Import(t.Context(), tasks.ImportArgs{
			Tenant: "acme", ConnectionID: q.conn.ID.String(), ClientIDs: []int64{int64(100 + i)}, RequestedBy: by,
		})
		if err != nil {
			t.Fatal(err)
		}
		q.tick()
		run, err := q.store.Run(t.Context(), "acme", uuid.MustParse(receipt.RunID))
		if want := "queue:" + strings.TrimSpace(by); err != nil || run.RequestedBy != want {
			t.Errorf("%q: recorded as %q, want %q, %v", by, run.RequestedBy, want, err)
		}
		id := repotest.Value[string](t, q.url, `select halosync.enqueue('import', 'acme', $1, $2, $3)`, q.conn.ID, fmt.Sprintf(`{"client_ids": [%d]}`, 200+i), by)
		run, err = q.store.Run(t.Context(), "acme", uuid.MustParse(id))
		if want := "sql:" + strings.TrimSpace(by); err != nil || run.RequestedBy != want {
			t.Errorf("%q in SQL: recorded as %q, want %q, %v", by, run.RequestedBy, want, err)
		}
	}
}

// A run requested only through Redis is in the ledger after a tick. Before the tick, the
// run's tenant can already view and cancel the run.
func TestRunsOfRedisAlone(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	request := func(client int64, connection string) string {
		t.Helper()
		receipt, err := q.queue.Import(t.Context(), tasks.ImportArgs{
			Tenant: "acme", ConnectionID: connection, ClientIDs: []int64{client}, RequestedBy: "crm",
		})
		if err != nil {
			t.Fatal(err)
		}
		return receipt.RunID
	}
	seen, lost := request(1, q.conn.ID.String()), request(1, uuid.NewString())
	if n := q.tick().Dispatched; n != 0 { // these runs already have tasks
		t.Errorf("%d dispatched", n)
	}
	run, err := q.store.Run(t.Context(), "acme", uuid.MustParse(seen))
	if err != nil || run.State != repo.StateQueued || run.RequestedBy != "crm" {
		t.Errorf("recorded: %+v %v", run, err)
	}
	if _, err := q.store.Run(t.Context(), "acme", uuid.MustParse(lost)); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("run of a connection that does not exist: %v", err)
	}

	early, other := request(2, q.conn.ID.String()), request(3, q.conn.ID.String())
	var unknown *engine.NotFoundError
	if _, err := q.engine.Run(t.Context(), "globex", early); !errors.As(err, &unknown) {
		t.Errorf("shown to another tenant: %v", err)
	}
	if _, err := q.engine.Cancel(t.Context(), "globex", early, "eve"); !errors.As(err, &unknown) {
		t.Errorf("cancelled by another tenant: %v", err)
	}
	if run, err := q.engine.Run(t.Context(), "acme", early); err != nil || run.State != repo.StateQueued {
		t.Errorf("show: %v %v", run.State, err)
	}
	if run, err := q.engine.Cancel(t.Context(), "acme", other, "ann"); err != nil || run.State != repo.StateCancelled {
		t.Errorf("cancel: %v %v", run.State, err)
	}
}

const requestSQL = `select halosync.enqueue('import', 'acme', $1, $2::jsonb, 'crm')`

// A request in SQL is enqueued when its transaction commits, without waiting for a
// tick. The same request in Go finds the same run.
func TestRequestsInSQLAreDispatchedAtOnce(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	q.engine = q.engine.With(func(c *enginetest.Config) { c.Every = time.Hour }) // so that only notifications lead to a tick
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	dispatched := make(chan int, 100)
	go func() {
		defer close(over)
		q.engine.Serve(ctx, func(ticked scheduler.Ticked) {
			if ticked.Dispatched > 0 {
				dispatched <- ticked.Dispatched
			}
		})
	}()
	defer func() { cancel(); <-over }()
	const requests = 8
	for client := 1; client <= requests; client++ {
		id := repotest.Value[uuid.UUID](t, q.url, requestSQL, q.conn.ID, fmt.Sprintf(`{"client_ids": [%d]}`, client))
		select {
		case <-dispatched:
		case <-time.After(time.Minute):
			t.Fatal("not dispatched within a minute")
		}
		if !q.inQueue(engine.RunID(id)) {
			t.Errorf("run %v is not in the queue", id)
		}
		if same := q.requestImport(int64(client)); same.RunID != engine.RunID(id) || !same.Existing {
			t.Errorf("the same request in Go: %+v, want run %v", same, id)
		}
	}
	// If only a worker can detect that the arguments are invalid, the run fails.
	id := repotest.Value[uuid.UUID](t, q.url, `select halosync.enqueue('map', 'acme', $1, '{"pairs": [{"company": "x", "colour": "red"}]}', 'crm')`, q.conn.ID)
	<-dispatched
	run, err := q.store.Run(t.Context(), "acme", id)
	if err != nil || run.State != repo.StateFailed || !strings.Contains(run.Error, "colour") {
		t.Errorf("%s %q %v", run.State, run.Error, err)
	}
}

// The SQL statement of package tasks requests the same run as the other methods.
func TestStatementInSQL(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	first := q.requestImport(7).RunID
	args := tasks.ImportArgs{Tenant: "acme", ConnectionID: q.conn.ID.String(), ClientIDs: []int64{7, 7}, RequestedBy: "crm"}
	query, params, err := tasks.Statement(tasks.Import(), args)
	if err != nil {
		t.Fatal(err)
	}
	if id := repotest.Value[string](t, q.url, query, params...); id != first {
		t.Errorf("run %s, want run %s, which has the same request", id, first)
	}
	args.ClientIDs = []int64{8}
	if query, params, err = tasks.Statement(tasks.Import(), args); err != nil {
		t.Fatal(err)
	}
	id := repotest.Value[string](t, q.url, query, params...)
	if run, err := q.engine.Run(t.Context(), "acme", id); err != nil || run.RequestedBy != "crm" || run.State != repo.StateQueued {
		t.Errorf("%+v %v", run, err)
	}
	for _, args := range []tasks.UnmapArgs{{Tenant: "acme", ConnectionID: args.ConnectionID}, {Tenant: "acme", MappingIDs: []string{id}}} {
		if _, _, err := tasks.Statement(tasks.Unmap(), args); err == nil {
			t.Errorf("%+v was accepted", args)
		}
	}
}

// Repeated retries and cancellations return the same result, in every state of the run.
func TestRetryAndCancelInEveryState(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	ctx := t.Context()
	claim := func(id string, args tasks.ImportArgs) repo.Claim {
		t.Helper()
		row, err := dispatch.NewRun(repo.KindImport, id, args)
		if err != nil {
			t.Fatal(err)
		}
		c, err := q.store.ClaimRun(ctx, row)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	args := func(client int64) tasks.ImportArgs {
		return tasks.ImportArgs{Tenant: "acme", ConnectionID: q.conn.ID.String(), ClientIDs: []int64{client}, RequestedBy: "ann"}
	}
	retry := func(id string) (engine.Receipt, error) { return q.engine.Retry(ctx, "acme", id, "bob") }
	cancel := func(id string) repo.RunState {
		t.Helper()
		run, err := q.engine.Cancel(ctx, "acme", id, "bob")
		if err != nil {
			t.Error(err)
		}
		return run.State
	}

	waiting := q.requestImport(1).RunID
	putOff := q.requestImport(2).RunID
	c := claim(putOff, args(2))
	if err := q.store.ReleaseRun(ctx, c.Ref, "Halo is away", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{waiting, waiting, putOff, putOff} {
		if receipt, err := retry(id); err != nil || receipt.RunID != id || !receipt.Existing {
			t.Errorf("retry of a run that has not ended: %+v %v", receipt, err)
		}
	}
	for _, id := range []string{waiting, waiting, putOff, putOff} {
		if state := cancel(id); state != repo.StateCancelled {
			t.Errorf("cancelled: %s", state)
		}
	}

	c = claim(q.requestImport(3).RunID, args(3))
	running := engine.RunID(c.Run.ID)
	if receipt, err := retry(running); err != nil || receipt.RunID != running || !receipt.Existing {
		t.Errorf("retry of a running run: %+v %v", receipt, err)
	}
	for range 2 {
		if state := cancel(running); state != repo.StateRunning {
			t.Errorf("cancelling: %s", state)
		}
	}
	var usage *engine.UsageError
	for range 2 {
		if _, err := retry(running); !errors.As(err, &usage) || !strings.Contains(err.Error(), "once it has ended") {
			t.Errorf("retry of a run that is being cancelled: %v", err)
		}
	}
	if err := q.store.ReleaseRun(ctx, c.Ref, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	first, err := retry(running)
	if err != nil || first.RunID == running || first.Existing {
		t.Errorf("retry of a cancelled run: %+v %v", first, err)
	}
	if second, err := retry(running); err != nil || second.RunID != first.RunID || !second.Existing {
		t.Errorf("once more: %+v %v", second, err)
	}
	if state := cancel(running); state != repo.StateCancelled {
		t.Errorf("cancel of a finished run: %s", state)
	}
}
