package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		info asynq.TaskInfo
		want Status
		err  error
	}{
		"pending":   {asynq.TaskInfo{State: asynq.TaskStatePending}, Status{State: StateQueued, Attempt: 1}, nil},
		"scheduled": {asynq.TaskInfo{State: asynq.TaskStateScheduled}, Status{State: StateQueued, Attempt: 1}, nil},
		"active":    {asynq.TaskInfo{State: asynq.TaskStateActive, Retried: 2, LastErr: "e"}, Status{State: StateRunning, Attempt: 3, LastError: "e"}, nil},
		"retry":     {asynq.TaskInfo{State: asynq.TaskStateRetry, Retried: 1, LastErr: "e"}, Status{State: StateRetrying, Attempt: 2, LastError: "e"}, nil},
		"archived":  {asynq.TaskInfo{State: asynq.TaskStateArchived, LastErr: "e"}, Status{State: StateFailed, Attempt: 1, LastError: "e"}, nil},
		"completed": {
			asynq.TaskInfo{State: asynq.TaskStateCompleted, Result: []byte(`{"state":"partial","pages":2}`)},
			Status{State: "partial", Attempt: 1, Result: &RunResult{State: "partial", Pages: 2}}, nil,
		},
		"no result":      {asynq.TaskInfo{State: asynq.TaskStateCompleted}, Status{Attempt: 1}, ErrNoResult},
		"damaged result": {asynq.TaskInfo{State: asynq.TaskStateCompleted, Result: []byte(`{`)}, Status{Attempt: 1}, ErrNoResult},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := statusOf(&tc.info)
			if !errors.Is(err, tc.err) {
				t.Errorf("error = %v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnknownRun(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	if _, err := c.Status(t.Context(), NewRunID()); !errors.Is(err, ErrUnknownRun) {
		t.Errorf("status: %v", err)
	}
	mustImport(t, c, validImport()) // now the queue exists
	if _, err := c.Wait(t.Context(), NewRunID()); !errors.Is(err, ErrUnknownRun) {
		t.Errorf("wait: %v", err)
	}
	if _, err := c.Wait(t.Context(), "../x"); err == nil {
		t.Error("an invalid run id was accepted")
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	s := openServer(t, url, ServerConfig{})
	Handle(s, Import(), func(_ context.Context, job Job[ImportArgs]) (RunResult, error) {
		if job.Args.DryRun {
			return RunResult{}, Never(errors.New("status 403"))
		}
		return RunResult{RunID: job.RunID, State: "held", Pages: 3, Created: 7}, nil
	})
	good := mustImport(t, c, validImport())
	dry := validImport()
	dry.DryRun = true
	bad := mustImport(t, c, dry)

	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Millisecond)
	defer cancel()
	if _, err := c.Wait(ctx, good.RunID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no worker: %v, want the context's error", err)
	}

	start(t, s)
	got, err := c.Wait(t.Context(), good.RunID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(RunResult{RunID: good.RunID, State: "held", Pages: 3, Created: 7}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := c.Wait(t.Context(), bad.RunID); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "status 403") {
		t.Errorf("failed run: %v", err)
	}
	st, err := c.Status(t.Context(), good.RunID)
	if err != nil || st.State != "held" || st.Result == nil {
		t.Errorf("status = %+v, %v", st, err)
	}
}
