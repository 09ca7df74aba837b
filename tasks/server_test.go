package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func succeed(_ context.Context, job Job[note]) (RunResult, error) {
	return RunResult{RunID: job.RunID, State: "succeeded"}, nil
}

func named(name string) Kind[note, RunResult] {
	k := noteKind()
	k.Name = name
	return k
}

func TestNewServerRefuses(t *testing.T) {
	t.Parallel()
	good := address(t, "redis://127.0.0.1:1")
	for name, cfg := range map[string]ServerConfig{
		"no address":           {},
		"negative concurrency": {Redis: good, Concurrency: -1},
		"negative interactive": {Redis: good, Interactive: -1},
		"negative timeout":     {Redis: good, ShutdownTimeout: -1},
	} {
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%s: the configuration was accepted", name)
		}
	}
	s := openServer(t, "redis://127.0.0.1:1", ServerConfig{})
	if err := s.Start(); err == nil {
		t.Error("started without a handler")
	}
	shutdown(t, s)
	Handle(s, noteKind(), succeed)
	if err := s.Start(); err == nil {
		t.Error("started after shutdown")
	}
}

// Such names are refused, because asynq's ServeMux would pass "halo:import:v2" to the
// handler of "halo:import".
func TestHandlePanics(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind Kind[note, RunResult]
		want string
	}{
		"twice":      {named("test:note"), "already registered"},
		"longer":     {named("test:note:v2"), "already registered"},
		"shorter":    {named("test:no"), "already registered"},
		"incomplete": {Kind[note, RunResult]{Name: "test:other"}, "max attempts 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openServer(t, database(t), ServerConfig{})
			Handle(s, noteKind(), succeed)
			expectPanic(t, tc.want, func() { Handle(s, tc.kind, succeed) })
		})
	}
	s := openServer(t, database(t), ServerConfig{})
	Handle(s, noteKind(), succeed)
	start(t, s)
	expectPanic(t, "after the start", func() { Handle(s, named("test:late"), succeed) })
}

func expectPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, want) {
			t.Errorf("panic = %q, want %q in it", text, want)
		}
	}()
	f()
}

// Shutdown returns no error (asynq issue 1068) and leaves no connection open.
func TestCleanShutdown(t *testing.T) {
	t.Parallel()
	url := database(t)
	core, logs := observer.New(zapcore.DebugLevel)
	c := openClient(t, url)
	s := openServer(t, url, ServerConfig{Logger: zap.New(core).Sugar()})
	Handle(s, noteKind(), succeed)
	start(t, s)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, c, enqueueNote(t, c, noteKind()))
	shutdown(t, s)
	shutdown(t, s) // a second call does nothing
	if bad := logs.FilterLevelExact(zapcore.ErrorLevel).All(); len(bad) > 0 {
		t.Errorf("errors logged: %v", bad)
	}
	if n := logs.FilterMessage("Exiting").FilterLoggerName("asynq").Len(); n != 1 {
		t.Errorf("asynq logged %d lines about the shutdown, want 1", n)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("the server's connections are still open")
	}
}

// Handlers are notified at once that the server is stopping, and their context remains
// valid. The tasks that they postpone use up no attempt, and the next worker can take
// them.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	seen := new(ledger)
	s := openServer(t, url, ServerConfig{ShutdownTimeout: time.Hour, Observe: seen.observe})
	running := make(chan bool)
	Handle(s, noteKind(), func(ctx context.Context, job Job[note]) (RunResult, error) {
		running <- true
		<-job.Draining
		return RunResult{}, Later(0, ctx.Err()) // the context must not have ended
	})
	start(t, s)
	id := enqueueNote(t, c, noteKind())
	receive(t, running)
	shutdown(t, s)
	if v := seen.verdicts(); len(v) != 1 || v[0] != VerdictLater {
		t.Errorf("verdicts = %v", v)
	}
	info, err := c.find(t.Context(), id, QueueInteractive)
	if err != nil || info.State != asynq.TaskStateRetry && info.State != asynq.TaskStatePending || info.Retried != 0 || info.LastErr != "put off" {
		t.Fatalf("task = %+v, %v", info, err)
	}

	next := openServer(t, url, ServerConfig{})
	Handle(next, noteKind(), succeed)
	start(t, next)
	if info := await(t, c, id); info.State != asynq.TaskStateCompleted {
		t.Errorf("task = %+v", info)
	}
}

// The context of a handler that ignores Draining is cancelled after the timeout. Its
// task returns to the queue without using up an attempt, and Shutdown still waits for
// the handler.
func TestShutdownHandsBack(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	seen := new(ledger)
	s := openServer(t, url, ServerConfig{ShutdownTimeout: 300 * time.Millisecond, Observe: seen.observe})
	running, cut, release := make(chan bool), make(chan error, 1), make(chan bool)
	Handle(s, noteKind(), func(ctx context.Context, _ Job[note]) (RunResult, error) {
		running <- true
		<-ctx.Done()
		cut <- ctx.Err()
		<-release
		return RunResult{State: "succeeded"}, nil
	})
	start(t, s)
	id := enqueueNote(t, c, noteKind())
	receive(t, running)

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v, want the context's error", err)
	}
	if err := receive(t, cut); !errors.Is(err, context.Canceled) {
		t.Errorf("context: %v", err)
	}
	eventually(t, "hand-back", func() bool {
		info, err := c.find(t.Context(), id, QueueInteractive)
		return err == nil && info.State == asynq.TaskStatePending && info.Retried == 0
	})
	if v := seen.verdicts(); len(v) > 0 {
		t.Errorf("verdicts = %v before the handler returned", v)
	}
	close(release)
	shutdown(t, s)
	if v := seen.verdicts(); len(v) != 1 || v[0] != VerdictInterrupted {
		t.Errorf("verdicts = %v", v)
	}
	info, err := c.find(t.Context(), id, QueueInteractive)
	if err != nil || len(info.Result) > 0 {
		t.Errorf("task = %+v, %v; want no result from a cancelled handler", info, err)
	}
}

func TestInteractiveIsServedFirst(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	s := openServer(t, url, ServerConfig{Concurrency: 1})
	order := make(chan string, 100)
	Handle(s, noteKind(), func(_ context.Context, job Job[note]) (RunResult, error) {
		order <- job.Args.Text
		return RunResult{State: "succeeded"}, nil
	})
	const each = 20
	for range each {
		for _, queue := range queueNames() {
			k := noteKind()
			k.Queue = func(note) string { return queue }
			if err := enqueue(t.Context(), c, k, NewRunID(), note{queue}); err != nil {
				t.Fatal(err)
			}
		}
	}
	start(t, s)
	early := map[string]int{}
	for range each {
		early[receive(t, order)]++
	}
	// The expected shares of 20 are 6:3:1, with a margin. No queue starves, and no
	// queue takes all slots.
	if early[QueueInteractive] <= early[QueueResync] || early[QueueInteractive] == each {
		t.Errorf("first %d tasks: %v", each, early)
	}
	for range 2 * each {
		receive(t, order)
	}
}

// An interactive task does not wait for a slot that a long run occupies. A shutdown
// stops interactive and other slots at the same time.
func TestInteractiveHasSlotsOfItsOwn(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	seen := new(ledger)
	s := openServer(t, url, ServerConfig{Concurrency: 1, Interactive: 1, ShutdownTimeout: 6 * time.Second, Observe: seen.observe})
	long := named("test:long")
	long.Queue = func(note) string { return QueueImport }
	deaf := named("test:deaf")
	running := make(chan string, 9)
	Handle(s, long, func(ctx context.Context, job Job[note]) (RunResult, error) {
		running <- job.RunID
		<-ctx.Done() // ignores Draining
		return RunResult{}, Later(0, nil)
	})
	Handle(s, deaf, func(ctx context.Context, job Job[note]) (RunResult, error) {
		running <- job.RunID
		<-ctx.Done()
		return RunResult{}, Later(0, nil)
	})
	Handle(s, noteKind(), succeed)
	start(t, s)
	first := enqueueNote(t, c, long)
	if id := receive(t, running); id != first {
		t.Fatalf("run %s is running", id)
	}
	waits := enqueueNote(t, c, long)
	for range 3 {
		await(t, c, enqueueNote(t, c, noteKind()))
	}
	if info, err := c.find(t.Context(), waits, QueueImport); err != nil || info.State != asynq.TaskStatePending {
		t.Errorf("the second long run: %+v, %v; want it to wait", info, err)
	}
	enqueueNote(t, c, deaf)
	receive(t, running)
	began := time.Now()
	shutdown(t, s)
	if took := time.Since(began); took > 11*time.Second {
		t.Errorf("shutdown took %v, so the two timeouts ran one after the other", took)
	}
}
