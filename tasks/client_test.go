package tasks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

func TestWrongArgumentsQueueNothing(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	ctx := t.Context()
	if _, err := c.Import(ctx, ImportArgs{Tenant: "acme"}); err == nil {
		t.Error("import without a connection was accepted")
	}
	if err := Enqueue(ctx, c, Import(), NewRunID(), ImportArgs{Tenant: "acme"}); err == nil {
		t.Error("enqueueing it was accepted")
	}
	if err := Enqueue(ctx, c, Import(), "run/1", validImport()); err == nil {
		t.Error("a run id of another form was accepted")
	}
	if n, err := c.rdb.DBSize(ctx).Result(); n != 0 || err != nil {
		t.Errorf("%d keys in Redis, %v", n, err)
	}
}

func TestEnqueueImportIsIdempotent(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	ctx := t.Context()
	const hyphens, plain = testUUID, "0190f1a45c6b7d3e8f90a1b2c3d4e5f6"
	for _, id := range []string{plain, plain, hyphens} {
		if err := Enqueue(ctx, c, Import(), id, validImport()); err != nil {
			t.Fatal(err)
		}
	}
	pending, err := c.inspector.ListPendingTasks(QueueImport)
	if err != nil || len(pending) != 1 || pending[0].ID != plain {
		t.Errorf("pending = %v, %v; want the one task", pending, err)
	}
}

// A run must not hang if its record is open but its task is archived.
func TestEnqueueImportRevivesArchived(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	ctx := t.Context()
	id := NewRunID()
	if err := Enqueue(ctx, c, Import(), id, validImport()); err != nil {
		t.Fatal(err)
	}
	if err := c.inspector.ArchiveTask(QueueImport, id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Enqueue(ctx, c, Import(), id, validImport()); err != nil {
			t.Fatal(err)
		}
		info, err := c.inspector.GetTaskInfo(QueueImport, id)
		if err != nil || info.State != asynq.TaskStatePending {
			t.Fatalf("task = %v, %v; want it pending", info, err)
		}
	}
}

// asynq registers a queue once per client. After a flush, asynqmon and Status could no
// longer see the queue's tasks.
func TestQueueIsVisibleAfterFlush(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	ctx := t.Context()
	if _, err := c.Import(ctx, validImport()); err != nil {
		t.Fatal(err)
	}
	if err := c.rdb.FlushDB(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	receipt, err := c.Import(ctx, validImport())
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Status(ctx, receipt.RunID); err != nil || s.State != StateQueued {
		t.Errorf("status = %+v, %v", s, err)
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	c := openClient(t, "redis://127.0.0.1:1/0?max_retries=-1") // no server there
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Ping(ctx); err == nil {
		t.Error("ping answered")
	}
	if _, err := c.Import(ctx, validImport()); err == nil {
		t.Error("import was accepted")
	}
	if _, err := c.Status(ctx, NewRunID()); err == nil || errors.Is(err, ErrUnknownRun) {
		t.Errorf("status: %v; Redis being away does not make a run unknown", err)
	}
	if _, err := c.Wait(ctx, NewRunID()); err == nil || errors.Is(err, ErrUnknownRun) {
		t.Errorf("wait: %v", err)
	}
	if ctx.Err() != nil {
		t.Error("it took all the time there was")
	}
}
