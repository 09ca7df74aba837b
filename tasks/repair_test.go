package tasks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// The epoch key exists as long as Redis keeps its data.
func TestEpoch(t *testing.T) {
	t.Parallel()
	url := database(t)
	one, two := openClient(t, url), openClient(t, url)
	marked := func(want bool) {
		t.Helper()
		for _, c := range []*Client{one, two, one} {
			if got, err := c.HasEpoch(t.Context()); got != want || err != nil {
				t.Errorf("HasEpoch = %v, %v", got, err)
			}
		}
	}
	marked(false)
	if err := one.SetEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	marked(true)
	if err := one.rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	marked(false)
	gone := openClient(t, "redis://127.0.0.1:1")
	if _, err := gone.HasEpoch(t.Context()); err == nil {
		t.Error("no error although Redis is unavailable")
	}
	if err := gone.SetEpoch(t.Context()); err == nil {
		t.Error("no error although Redis is unavailable")
	}
}

// If a result is written after its task was deleted, Redis keeps, under the task's id, a
// hash that is not a task.
func TestEnqueueReplacesAStub(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	id := NewRunID()
	if err := c.rdb.HSet(t.Context(), "asynq:{interactive}:t:"+id, "result", `{"state":"succeeded"}`).Err(); err != nil {
		t.Fatal(err)
	}
	if err := Enqueue(t.Context(), c, noteKind(), id, note{"hello"}); err != nil {
		t.Fatal(err)
	}
	s := openServer(t, url, ServerConfig{})
	Handle(s, noteKind(), succeed)
	start(t, s)
	if info := await(t, c, id); info.State != asynq.TaskStateCompleted {
		t.Errorf("ended as %v: %s", info.State, info.LastErr)
	}
}

// asynq never recovers an active task whose lease was lost in a crash or a failover.
func TestEnqueueRepairsALostLease(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	id := enqueueNote(t, c, noteKind())
	ctx := t.Context()
	pipe := c.rdb.TxPipeline()
	pipe.LRem(ctx, "asynq:{interactive}:pending", 0, id)
	pipe.LPush(ctx, "asynq:{interactive}:active", id)
	pipe.HSet(ctx, "asynq:{interactive}:t:"+id, "state", "active")
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second repair must keep the new lease
		if err := Enqueue(ctx, c, noteKind(), id, note{"hello"}); err != nil {
			t.Fatal(err)
		}
	}
	s := openServer(t, url, ServerConfig{})
	died := make(chan bool, 1)
	Handle(s, noteKind(), func(ctx context.Context, job Job[note]) (RunResult, error) {
		died <- job.Died
		return succeed(ctx, job)
	})
	start(t, s)
	hurry(t, c)
	if !receive(t, died) {
		t.Error("Died is false after a lost lease")
	}
	if info := await(t, c, id); info.State != asynq.TaskStateCompleted {
		t.Errorf("ended as %v: %s", info.State, info.LastErr)
	}
}

// If Redis evicts keys, it can delete a task and leave the id in a list. A task that is
// enqueued again must then be executed only once.
func TestEnqueueAfterAnEviction(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"pending", "retry", "active"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			c := openClient(t, url)
			ctx := t.Context()
			id := enqueueNote(t, c, noteKind())
			queue := "asynq:{interactive}:"
			if state != "pending" {
				c.rdb.LRem(ctx, queue+"pending", 0, id)
			}
			switch state {
			case "retry":
				c.rdb.ZAdd(ctx, queue+"retry", redis.Z{Score: 1, Member: id}) // due for a long time
			case "active":
				c.rdb.LPush(ctx, queue+"active", id)
				c.rdb.ZAdd(ctx, queue+"lease", redis.Z{Score: 1, Member: id}) // expired for a long time
			}
			if n := c.rdb.Del(ctx, queue+"t:"+id).Val(); n != 1 {
				t.Fatal("the task was not enqueued")
			}
			for range 2 {
				if err := Enqueue(ctx, c, noteKind(), id, note{"hello"}); err != nil {
					t.Fatal(err)
				}
			}
			var observed ledger
			s := openServer(t, url, ServerConfig{Observe: observed.observe})
			Handle(s, noteKind(), succeed)
			start(t, s)
			await(t, c, id)
			last := enqueueNote(t, c, noteKind()) // runs after all tasks enqueued before
			await(t, c, last)
			shutdown(t, s)
			if got := observed.verdicts(); len(got) != 2 {
				t.Errorf("%d executions of 2 tasks: %v", len(got), got)
			}
		})
	}
}

// A running task keeps its lease when the task is enqueued again.
func TestEnqueueLeavesALeaseAlone(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	s := openServer(t, url, ServerConfig{})
	running, finish := make(chan struct{}), make(chan struct{})
	Handle(s, noteKind(), func(ctx context.Context, job Job[note]) (RunResult, error) {
		running <- struct{}{}
		<-finish
		return succeed(ctx, job)
	})
	start(t, s)
	id := enqueueNote(t, c, noteKind())
	receive(t, running)
	before := c.rdb.ZScore(t.Context(), "asynq:{interactive}:lease", id).Val()
	if err := Enqueue(t.Context(), c, noteKind(), id, note{"hello"}); err != nil {
		t.Fatal(err)
	}
	if after := c.rdb.ZScore(t.Context(), "asynq:{interactive}:lease", id).Val(); after < before || before == 0 {
		t.Errorf("lease %v, was %v", after, before)
	}
	close(finish)
	await(t, c, id)
}

func TestRunNow(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	s := openServer(t, url, ServerConfig{})
	first := true
	Handle(s, noteKind(), func(ctx context.Context, job Job[note]) (RunResult, error) {
		if first {
			first = false
			return RunResult{}, Later(time.Hour, errors.New("Halo is away"))
		}
		return succeed(ctx, job)
	})
	start(t, s)
	id := enqueueNote(t, c, noteKind())
	eventually(t, "put off", func() bool {
		info, err := c.find(t.Context(), id, QueueInteractive)
		return err == nil && info.State == asynq.TaskStateRetry
	})
	if err := c.RunNow(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await(t, c, id)
	for _, id := range []string{id, NewRunID()} { // ended, unknown
		if err := c.RunNow(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if err := c.RunNow(t.Context(), "x"); err == nil {
		t.Error("x was accepted as a run id")
	}
}

// A run that was requested through Redis stays listed until a worker takes it.
func TestUnrecorded(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	ctx := t.Context()
	args := validImport()
	receipt, err := c.Import(ctx, args)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Import(ctx, args); err != nil { // the same request is not listed twice
		t.Fatal(err)
	}
	if err := c.listUnrecorded(ctx, NewRunID()); err != nil { // a run without a task
		t.Fatal(err)
	}
	got, err := c.TakeUnrecorded(ctx, 10)
	if err != nil || len(got) != 1 || got[0].RunID != receipt.RunID || got[0].Kind != KindImport || got[0].Tenant != args.Tenant {
		t.Fatalf("unrecorded: %+v %v", got, err)
	}
	stored, err := ReadStored(got[0].Kind, got[0].Args)
	if err != nil || stored.ConnectionID != args.ConnectionID || stored.Key != Key(KindImport, args) {
		t.Errorf("stored: %+v %v", stored, err)
	}
	if got, err := c.TakeUnrecorded(ctx, 10); err != nil || len(got) != 0 {
		t.Errorf("taken again: %+v %v", got, err)
	}
	// A run that is in the ledger is not listed.
	if err := Enqueue(ctx, c, Import(), NewRunID(), args); err != nil {
		t.Fatal(err)
	}
	if got, err := c.TakeUnrecorded(ctx, 10); err != nil || len(got) != 0 {
		t.Errorf("a run from the ledger was listed: %+v %v", got, err)
	}
	if _, err := c.Lookup(ctx, NewRunID()); !errors.Is(err, ErrUnknownRun) {
		t.Errorf("unknown: %v", err)
	}
	// The list has a maximum length.
	for range 3 {
		if err := c.rdb.RPush(ctx, unrecordedKey, filled(maxUnrecorded/3)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := c.listUnrecorded(ctx, receipt.RunID); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.rdb.LLen(ctx, unrecordedKey).Val(); n > maxUnrecorded {
		t.Errorf("%d listed", n)
	}
}

func TestStoredArguments(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	for kind, args := range map[string]string{
		"halo:export": `{}`,
		KindImport:    `{"all": true}`,
		KindMap:       `{"pairs": [`,
		KindUnmap:     `{"mapping_ids": ["x"], "surprise": 1}`,
		KindResync:    `{"tenant": "acme"}`,
	} {
		if _, err := ReadStored(kind, []byte(args)); !errors.Is(err, ErrArguments) {
			t.Errorf("%s %s: %v", kind, args, err)
		}
		if err := EnqueueStored(t.Context(), c, kind, NewRunID(), []byte(args)); !errors.Is(err, ErrArguments) {
			t.Errorf("enqueue %s %s: %v", kind, args, err)
		}
	}
	if n := c.rdb.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys in Redis", n)
	}
}

func filled(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = "0"
	}
	return list
}
