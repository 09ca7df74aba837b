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
		t.Error("an invalid import was enqueued")
	}
	if err := Enqueue(ctx, c, Import(), "run/1", validImport()); err == nil {
		t.Error("an invalid run id was accepted")
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

// Enqueue restarts an archived task, because its run would otherwise never end.
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

// asynq registers a queue only once per client. After a flush, asynqmon and Status
// could otherwise not find the queue's tasks.
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
	c := openClient(t, "redis://127.0.0.1:1/0?max_retries=-1") // nothing listens on this port
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Ping(ctx); err == nil {
		t.Error("ping succeeded")
	}
	if _, err := c.Import(ctx, validImport()); err == nil {
		t.Error("import was accepted")
	}
	if _, err := c.Status(ctx, NewRunID()); err == nil || errors.Is(err, ErrUnknownRun) {
		t.Errorf("status: %v, want a Redis error instead of an unknown run", err)
	}
	if _, err := c.Wait(ctx, NewRunID()); err == nil || errors.Is(err, ErrUnknownRun) {
		t.Errorf("wait: %v", err)
	}
	if ctx.Err() != nil {
		t.Error("the calls took until the timeout")
	}
}
