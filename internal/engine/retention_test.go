package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// A removed run stays removed, even though the queue's archive keeps its task for
// longer. Neither a request nor a restart of the task restores the run.
func TestRemovedRunsStayRemoved(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	address, err := tasks.ParseAddress(q.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	server, err := tasks.NewServer(tasks.ServerConfig{Redis: address})
	if err != nil {
		t.Fatal(err)
	}
	tasks.Handle(server, tasks.Import(), func(context.Context, tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
		return tasks.RunResult{}, tasks.Never(errors.New("no"))
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	run := q.requestImport(1).RunID
	if _, err := q.queue.Wait(t.Context(), run); !errors.Is(err, tasks.ErrFailed) {
		t.Fatal(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	repotest.Exec(t, q.url, `delete from halosync.runs`)
	if _, err := q.engine.Run(t.Context(), "acme", run); !errors.As(err, new(*engine.NotFoundError)) {
		t.Errorf("run show: %v", err)
	}
	if _, err := q.engine.Retry(t.Context(), "acme", run, "ann"); !errors.As(err, new(*engine.NotFoundError)) {
		t.Errorf("retry: %v", err)
	}
	q.engine = q.engine.With(func(c *enginetest.Config) { c.Keep.Runs = 90 * 24 * time.Hour })
	old, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	copy(old[:6], []byte{0x01, 0x80, 0, 0, 0, 0}) // a timestamp in 2022
	j := job(all(q.conn))
	j.RunID = engine.RunID(old)
	if _, err := q.engine.Import(t.Context(), j); err == nil || !strings.Contains(err.Error(), "its record is gone") {
		t.Errorf("restarted in the archive: %v", err)
	}
	if n := repotest.Value[int](t, q.url, `select count(*) from halosync.runs`); n != 0 {
		t.Errorf("%d runs are back", n)
	}
	if r := q.importAll(q.conn); r.State != repo.StateSucceeded {
		t.Errorf("requested again: %s", r.State)
	}
}
