package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// serve starts a server whose handler is h.
func serve(t *testing.T, url string, cfg ServerConfig, kind Kind[note, RunResult], h func(context.Context, Job[note]) (RunResult, error)) *Server {
	t.Helper()
	s := openServer(t, url, cfg)
	Handle(s, kind, h)
	start(t, s)
	return s
}

// script returns a handler that returns the given errors in turn and then succeeds.
func script(steps []error, seen func(Job[note])) func(context.Context, Job[note]) (RunResult, error) {
	var n atomic.Int64
	return func(_ context.Context, job Job[note]) (RunResult, error) {
		seen(job)
		if i := int(n.Add(1)); i <= len(steps) {
			return RunResult{}, steps[i-1]
		}
		return RunResult{RunID: job.RunID, State: "succeeded"}, nil
	}
}

// asynq checks whether retries are left before it checks whether the error is a
// failure. A Later in the last attempt must nevertheless not end the run.
func TestAttempts(t *testing.T) {
	t.Parallel()
	fail, later := errors.New("status 502"), Later(0, errors.New("budget"))
	type step struct {
		Attempt int
		Final   bool
	}
	for name, tc := range map[string]struct {
		steps   []error
		state   asynq.TaskState
		seen    []step
		lastErr string
	}{
		"two failures, four laters, success": {
			[]error{fail, fail, later, later, later, later}, asynq.TaskStateCompleted,
			[]step{{1, false}, {2, false}, {3, true}, {3, true}, {3, true}, {3, true}, {3, true}}, "",
		},
		"two failures, two laters, third failure": {
			[]error{fail, later, fail, later, fail, nil}, asynq.TaskStateArchived,
			[]step{{1, false}, {2, false}, {2, false}, {3, true}, {3, true}}, "status 502",
		},
		"three failures": {
			[]error{fail, fail, fail, nil}, asynq.TaskStateArchived,
			[]step{{1, false}, {2, false}, {3, true}}, "status 502",
		},
		"many laters": {
			[]error{later, later, later, later, later, later}, asynq.TaskStateCompleted,
			slices.Repeat([]step{{1, false}}, 7), "",
		},
		"never": {[]error{Never(fail), nil}, asynq.TaskStateArchived, []step{{1, false}}, "status 502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			c := openClient(t, url)
			var seen []step // executions do not overlap, so no lock is needed
			serve(t, url, ServerConfig{}, noteKind(), script(tc.steps, func(j Job[note]) {
				seen = append(seen, step{j.Attempt, j.Final})
			}))
			hurry(t, c)
			info := await(t, c, enqueueNote(t, c, noteKind()))
			if info.State != tc.state {
				t.Errorf("state = %v, want %v", info.State, tc.state)
			}
			if tc.lastErr != "" && info.LastErr != tc.lastErr {
				t.Errorf("last error = %q, want %q", info.LastErr, tc.lastErr)
			}
			if diff := cmp.Diff(tc.seen, seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The delay in a Later has a precision of one second, because asynq checks for delayed
// tasks once a second.
func TestLaterComesLater(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	starts := make(chan time.Time, 2)
	serve(t, url, ServerConfig{}, noteKind(), script([]error{Later(2*time.Second, nil)}, func(Job[note]) { starts <- time.Now() }))
	enqueueNote(t, c, noteKind())
	first := receive(t, starts)
	if gap := receive(t, starts).Sub(first); gap < time.Second || gap > 6*time.Second {
		t.Errorf("ran again after %v, want about 2 s", gap)
	}
}

func TestPanicIsAnOrdinaryFailure(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	core, logs := observer.New(zapcore.DebugLevel)
	var calls atomic.Int64
	serve(t, url, ServerConfig{Concurrency: 1, Logger: zap.New(core).Sugar()}, noteKind(),
		func(context.Context, Job[note]) (RunResult, error) {
			if calls.Add(1) == 1 {
				panic("nil map")
			}
			return RunResult{State: "succeeded"}, nil
		})
	id := enqueueNote(t, c, noteKind())
	eventually(t, "failure", func() bool {
		info, err := c.find(t.Context(), id, QueueInteractive)
		return err == nil && info.State == asynq.TaskStateRetry && info.Retried == 1 && info.LastErr == "panic: nil map"
	})
	hurry(t, c)
	await(t, c, id)
	lines := logs.FilterMessage("task").FilterField(zap.String("verdict", "again")).All()
	if len(lines) != 1 {
		t.Fatalf("%d log lines about the failure, want 1", len(lines))
	}
	if stack, _ := lines[0].ContextMap()["stack"].(string); !strings.Contains(stack, "execute_test.go") {
		t.Errorf("stack = %q, want the line that panicked", stack)
	}
}

// Each execution logs one line with all fields.
func TestLogLine(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	core, logs := observer.New(zapcore.DebugLevel)
	seen := new(ledger)
	s := serve(t, url, ServerConfig{Logger: zap.New(core).Sugar(), Observe: seen.observe}, noteKind(),
		script([]error{Never(errors.New("status 403"))}, func(Job[note]) {}))
	id := enqueueNote(t, c, noteKind())
	await(t, c, id)
	shutdown(t, s)
	lines := logs.FilterMessage("task").All()
	if len(lines) != 1 || lines[0].Level != zapcore.ErrorLevel {
		t.Fatalf("lines = %v", lines)
	}
	got := lines[0].ContextMap()
	delete(got, "duration")
	want := map[string]any{
		"run": id, "kind": "test:note", "tenant": "acme", "queue": QueueInteractive,
		"attempt": int64(1), "verdict": "never", "error": "status 403",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d := seen.done; len(d) != 1 || d[0].RunID != id || d[0].Kind != "test:note" || d[0].Err == nil || d[0].Duration <= 0 {
		t.Errorf("observed %+v", d)
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	good := `{"text":"x"}`
	for name, tc := range map[string]struct{ payload, id, want string }{
		"unknown field": {`{"text":"x","tenant":"acme"}`, NewRunID(), `unknown field "tenant"`},
		"invalid":       {`{"text":""}`, NewRunID(), "text: missing"},
		"not JSON":      {"\xff" + strings.Repeat("z", 300), NewRunID(), "not a JSON object"},
		"run id":        {good, "not/a/run", `run id "not/a/run"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			c := openClient(t, url)
			rejected := make(chan Rejected, 9)
			serve(t, url, ServerConfig{OnReject: func(_ context.Context, r Rejected) error {
				rejected <- r
				return nil
			}}, noteKind(), func(context.Context, Job[note]) (RunResult, error) {
				t.Error("the handler was called")
				return RunResult{}, nil
			})
			_, err := asynq.NewClientFromRedisClient(c.rdb).EnqueueContext(t.Context(), asynq.NewTask("test:note", []byte(tc.payload)),
				asynq.TaskID(tc.id), asynq.Queue(QueueInteractive), asynq.MaxRetry(3))
			if err != nil {
				t.Fatal(err)
			}
			info := await(t, c, tc.id)
			if info.State != asynq.TaskStateArchived || !strings.Contains(info.LastErr, tc.want) {
				t.Errorf("task = %v, %q; want it archived for %q", info.State, info.LastErr, tc.want)
			}
			r := receive(t, rejected)
			if r.Kind != "test:note" || r.RunID != tc.id || !strings.Contains(r.Err.Error(), tc.want) || len(r.Payload) > 210 {
				t.Errorf("rejected = %+v", r)
			}
			if len(rejected) > 0 {
				t.Error("OnReject was called more than once")
			}
		})
	}
}

// The record must be closed before the task is archived. If closing fails, the task is
// retried.
func TestRejectionIsToldUntilHeard(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	var calls atomic.Int64
	s := openServer(t, url, ServerConfig{OnReject: func(_ context.Context, r Rejected) error {
		if r.Tenant != "acme" {
			t.Errorf("tenant = %q", r.Tenant)
		}
		if calls.Add(1) == 1 {
			return errors.New("postgres is away")
		}
		return nil
	}})
	Handle(s, Import(), func(context.Context, Job[ImportArgs]) (RunResult, error) { panic("unreachable") })
	start(t, s)
	id := NewRunID()
	_, err := asynq.NewClientFromRedisClient(c.rdb).EnqueueContext(t.Context(), asynq.NewTask(KindImport, []byte(`{"tenant":"acme","v":2}`)),
		asynq.TaskID(id), asynq.Queue(QueueImport), asynq.MaxRetry(3))
	if err != nil {
		t.Fatal(err)
	}
	hurry(t, c)
	if info := await(t, c, id); info.State != asynq.TaskStateArchived || info.Retried != 1 || calls.Load() != 2 {
		t.Errorf("%d calls, task = %v after %d failures", calls.Load(), info.State, info.Retried)
	}
}

// A server without a handler for a task's kind leaves the task to newer workers. The
// unknown kind does not become a metric label.
func TestUnknownKind(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	seen := new(ledger)
	serve(t, url, ServerConfig{Observe: seen.observe}, noteKind(), succeed)
	id := enqueueNote(t, c, named("test:later-version"))
	eventually(t, "retry", func() bool {
		st, err := c.Status(t.Context(), id)
		return err == nil && st.State == StateRetrying && strings.Contains(st.LastError, "no handler for kind")
	})
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if d := seen.done; len(d) != 1 || d[0].Kind != "other" || d[0].Verdict != VerdictAgain {
		t.Errorf("observed %+v", d)
	}
}

// asynq frees the slot at the timeout, even if the handler ignores the timeout. The
// timeout counts as a failed attempt.
func TestTimeout(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	seen := new(ledger)
	kind := noteKind()
	kind.Timeout = time.Second
	serve(t, url, ServerConfig{Observe: seen.observe}, kind, func(ctx context.Context, job Job[note]) (RunResult, error) {
		if job.Attempt == 1 {
			<-ctx.Done()
			return RunResult{}, Later(time.Hour, ctx.Err()) // too late to have an effect
		}
		return RunResult{State: "succeeded"}, nil
	})
	id := enqueueNote(t, c, kind)
	eventually(t, "failed attempt", func() bool {
		info, err := c.find(t.Context(), id, QueueInteractive)
		return err == nil && info.State == asynq.TaskStateRetry
	})
	hurry(t, c)
	if info := await(t, c, id); info.State != asynq.TaskStateCompleted || info.Retried != 1 {
		t.Errorf("task = %v after %d failures", info.State, info.Retried)
	}
	want := []Verdict{VerdictInterrupted, VerdictDone}
	if diff := cmp.Diff(want, seen.verdicts()); diff != "" {
		t.Error(diff)
	}
}

// A cancellation in asynqmon ends the context and uses up an attempt.
func TestCancelFromOutside(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	running := make(chan bool, 2)
	serve(t, url, ServerConfig{}, noteKind(), func(ctx context.Context, job Job[note]) (RunResult, error) {
		running <- true
		if job.Attempt == 1 {
			<-ctx.Done()
		}
		return RunResult{State: "succeeded"}, ctx.Err()
	})
	id := enqueueNote(t, c, noteKind())
	receive(t, running)
	// The server may not have subscribed yet.
	eventually(t, "cancel", func() bool {
		if err := c.inspector.CancelProcessing(id); err != nil {
			t.Fatal(err)
		}
		info, err := c.find(t.Context(), id, QueueInteractive)
		return err == nil && info.State == asynq.TaskStateRetry && info.Retried == 1
	})
}

func TestResultIsWhatTheHandlerReturned(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	want := RunResult{RunID: "r", State: "partial", Pages: 3, Records: 250, RecordsTotal: 2500, Ambiguous: 4, Error: "status 502"}
	serve(t, url, ServerConfig{}, noteKind(), func(context.Context, Job[note]) (RunResult, error) { return want, nil })
	info := await(t, c, enqueueNote(t, c, noteKind()))
	var got RunResult
	if err := json.Unmarshal(info.Result, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The log line of a run that has not done everything is a warning with the counts and the
// reason.
func TestLogLineOfPartialRun(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]zapcore.Level{
		"succeeded": zapcore.InfoLevel, "cancelled": zapcore.InfoLevel, "partial": zapcore.WarnLevel, "held": zapcore.WarnLevel, "failed": zapcore.WarnLevel,
	} {
		url := database(t)
		c := openClient(t, url)
		core, logs := observer.New(zapcore.DebugLevel)
		s := openServer(t, url, ServerConfig{Logger: zap.New(core).Sugar()})
		Handle(s, Import(), func(context.Context, Job[ImportArgs]) (RunResult, error) {
			return RunResult{State: state, Failed: 2, Error: "2 clients cannot be imported"}, nil
		})
		start(t, s)
		if _, err := c.Wait(t.Context(), mustImport(t, c, validImport()).RunID); err != nil {
			t.Fatal(err)
		}
		shutdown(t, s)
		lines := logs.FilterMessage("task").All()
		if len(lines) != 1 || lines[0].Level != want {
			t.Fatalf("%s: %v", state, lines)
		}
		got := lines[0].ContextMap()
		if got["state"] != state || got["failed"] != int64(2) || got["reason"] != "2 clients cannot be imported" {
			t.Errorf("%s: %v", state, got)
		}
	}
}
