package tasks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/devstack"
)

// childEnv is the variable with the Redis URL for a child process. The child takes a
// task, prints a line and never ends.
const childEnv = "HALOSYNC_TASKS_CHILD"

func child(url string) int {
	a, err := ParseAddress(url)
	if err != nil {
		return 1
	}
	s, err := NewServer(ServerConfig{Redis: a})
	if err != nil {
		return 1
	}
	Handle(s, noteKind(), func(context.Context, Job[note]) (RunResult, error) {
		fmt.Println("running")
		select {}
	})
	if err := s.Start(); err != nil {
		return 1
	}
	select {}
}

// When a worker dies, its task is not retried for a minute or two. The lease lasts 30 s
// and must have been expired for 30 s. Servers check for such leases at startup and
// once a minute. The short form of the test expires the lease in Redis before it starts
// a server. The long form waits for the lease to expire.
func TestKilledWorkersTaskIsFinished(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	id := enqueueNote(t, c, noteKind())

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "running\n" {
		t.Errorf("child printed %q, error %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // an error is expected, because the child was killed

	const leases = "asynq:{interactive}:lease"
	if devstack.Long() {
		// A server that starts two seconds after the task was taken finds the task
		// after 62 s. A server that starts at once might narrowly miss it.
		eventually(t, "two seconds", func() bool {
			return time.Until(time.Unix(int64(c.rdb.ZScore(t.Context(), leases, id).Val()), 0)) < 28*time.Second
		})
	} else {
		over := redis.Z{Score: float64(time.Now().Add(-time.Minute).Unix()), Member: id}
		// Change the lease only after the child process holds it.
		if n, err := c.rdb.ZAddArgs(t.Context(), leases, redis.ZAddArgs{XX: true, Ch: true, Members: []redis.Z{over}}).Result(); n != 1 || err != nil {
			t.Fatalf("%d leases ended, %v", n, err)
		}
	}
	attempts := make(chan int, 9)
	serve(t, url, ServerConfig{}, noteKind(), func(ctx context.Context, job Job[note]) (RunResult, error) {
		attempts <- job.Attempt
		return succeed(ctx, job)
	})
	hurry(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
	defer cancel()
	if result, err := c.Wait(ctx, id); err != nil || result.State != "succeeded" {
		t.Fatalf("result = %+v, %v", result, err)
	}
	if n := receive(t, attempts); n != 2 || len(attempts) > 0 {
		t.Errorf("attempt %d, but a worker crash must count as a failure", n)
	}
}

// abandon takes a task as asynq does and expires its lease, as if the worker had died a
// minute ago.
func abandon(t *testing.T, c *Client, queue, id string) {
	t.Helper()
	ctx, prefix := t.Context(), "asynq:{"+queue+"}:"
	_, err := c.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.LRem(ctx, prefix+"pending", 1, id)
		p.LPush(ctx, prefix+"active", id)
		p.ZAdd(ctx, prefix+"lease", redis.Z{Score: float64(time.Now().Add(-time.Minute).Unix()), Member: id})
		p.HSet(ctx, prefix+"t:"+id, "state", "active")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// recovered waits until a server has found the abandoned task.
func recovered(t *testing.T, c *Client, id string, failures int) {
	t.Helper()
	eventually(t, "recovery", func() bool {
		info, err := c.find(t.Context(), id, QueueInteractive)
		return err == nil && info.State == asynq.TaskStateRetry && info.Retried == failures &&
			info.LastErr == asynq.ErrLeaseExpired.Error()
	})
}

// A task that crashes every worker ends and is reported to OnReject, because no handler
// can close the run's record.
func TestDeathsUseUpAttempts(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	kind := noteKind()
	kind.MaxAttempts = 2
	id := enqueueNote(t, c, kind)
	rejected := make(chan Rejected, 9)
	cfg := ServerConfig{OnReject: func(_ context.Context, r Rejected) error {
		rejected <- r
		return nil
	}}
	var last *Server
	for death := 1; death <= kind.MaxAttempts; death++ {
		abandon(t, c, QueueInteractive, id)
		last = serve(t, url, cfg, kind, func(context.Context, Job[note]) (RunResult, error) {
			t.Error("the handler was called")
			return RunResult{}, nil
		})
		recovered(t, c, id, death)
		if death < kind.MaxAttempts {
			shutdown(t, last)
			if err := c.inspector.RunTask(QueueInteractive, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	hurry(t, c)
	if info := await(t, c, id); info.State != asynq.TaskStateArchived {
		t.Errorf("task = %v", info.State)
	}
	if r := receive(t, rejected); r.RunID != id || !errors.Is(r.Err, errExhausted) || len(rejected) > 0 {
		t.Errorf("rejected = %+v", r)
	}
	shutdown(t, last)
}

// A task whose result is stored but whose "done" did not reach Redis is not executed
// again.
func TestFinishedTaskIsNotExecutedAgain(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	id := enqueueNote(t, c, noteKind())
	abandon(t, c, QueueInteractive, id)
	if err := c.rdb.HSet(t.Context(), "asynq:{interactive}:t:"+id, "result", `{"state":"partial"}`).Err(); err != nil {
		t.Fatal(err)
	}
	serve(t, url, ServerConfig{}, noteKind(), func(context.Context, Job[note]) (RunResult, error) {
		t.Error("the handler was called")
		return RunResult{}, nil
	})
	recovered(t, c, id, 1)
	hurry(t, c)
	if result, err := c.Wait(t.Context(), id); err != nil || result.State != "partial" {
		t.Errorf("result = %+v, %v", result, err)
	}
}
