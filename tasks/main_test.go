package tasks

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/devstack/redistest"
	"github.com/halosync/halosync/internal/sleep"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childEnv); url != "" {
		os.Exit(child(url))
	}
	redistest.Main(m)
}

// database returns the URL of an empty database.
func database(t testing.TB) string {
	t.Helper()
	return redistest.URL(t)
}

func closeAtEnd(t testing.TB, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func address(t testing.TB, url string) Address {
	t.Helper()
	a, err := ParseAddress(url)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func connect(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	rdb := address(t, url).Connect()
	closeAtEnd(t, rdb)
	return rdb
}

func openClient(t testing.TB, url string) *Client {
	t.Helper()
	c, err := Open(url)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, c)
	return c
}

// openServer returns a server that is shut down at the end of the test.
func openServer(t *testing.T, url string, cfg ServerConfig) *Server {
	t.Helper()
	cfg.Redis = address(t, url)
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	return s
}

func shutdown(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
}

// note holds the arguments of a test kind.
type note struct {
	Text string `json:"text"`
}

func (n note) Validate() error {
	if n.Text == "" {
		return errors.New("text: missing")
	}
	return nil
}
func (n note) Canonical() note { return n }
func (n note) identity() any   { return n }
func (n note) Origin() Stored  { return Stored{Tenant: "acme"} }

func noteKind() Kind[note, RunResult] {
	return Kind[note, RunResult]{
		Name:        "test:note",
		Queue:       func(note) string { return QueueInteractive },
		MaxAttempts: 3,
		Timeout:     time.Minute,
		Retention:   time.Hour,
	}
}

func enqueueNote(t *testing.T, c *Client, kind Kind[note, RunResult]) string {
	t.Helper()
	id := NewRunID()
	if err := enqueue(t.Context(), c, kind, id, note{"hello"}); err != nil {
		t.Fatal(err)
	}
	return id
}

// ledger collects the executions that the server observed.
type ledger struct {
	mu   sync.Mutex
	done []Done
}

func (l *ledger) observe(d Done) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, d)
}

func (l *ledger) verdicts() []Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	var v []Verdict
	for _, d := range l.done {
		v = append(v, d.Verdict)
	}
	return v
}

// eventually waits up to a minute for a condition.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); !met(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: did not happen within a minute", what)
		}
	}
}

// hurry changes the due time of tasks that are waiting for a retry to the current time.
func hurry(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for sleep.For(ctx, 20*time.Millisecond) == nil {
			for _, queue := range queueNames() {
				// The call fails for a queue that does not exist yet.
				_, _ = c.inspector.RunAllRetryTasks(queue)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-over })
}

// await waits until a run has ended and returns its task.
func await(t *testing.T, c *Client, runID string) *asynq.TaskInfo {
	t.Helper()
	var info *asynq.TaskInfo
	eventually(t, "end of run", func() bool {
		var err error
		if info, err = c.find(t.Context(), runID, queueNames()...); err != nil {
			t.Fatal(err)
		}
		return info.State == asynq.TaskStateCompleted || info.State == asynq.TaskStateArchived
	})
	return info
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing received within a minute")
		panic("unreachable")
	}
}
