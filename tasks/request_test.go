package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

func dedupKey(args ImportArgs) string {
	return "halosync:request:{" + Key(KindImport, args) + "}"
}

// setDedupKey stores a dedup key without a task, like a client that died before
// enqueueing.
func setDedupKey(t *testing.T, c *Client, args ImportArgs, runID string, age time.Duration) {
	t.Helper()
	now, err := c.rdb.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	value := fmt.Sprintf("%s %d", runID, now.Add(-age).UnixMilli())
	if err := c.rdb.Set(t.Context(), dedupKey(args), value, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
}

func mustImport(t *testing.T, c *Client, args ImportArgs) Receipt {
	t.Helper()
	r, err := c.Import(t.Context(), args)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSameRequestManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	url := database(t)
	var clients []*Client
	for range 3 { // simulates three processes
		clients = append(clients, openClient(t, url))
	}
	const askers = 50
	receipts := make([]Receipt, askers)
	var group errgroup.Group
	for i := range askers {
		group.Go(func() (err error) {
			args := validImport()
			args.RequestedBy = fmt.Sprint("asker ", i)
			receipts[i], err = clients[i%len(clients)].Import(t.Context(), args)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	first := 0
	for _, r := range receipts {
		if r.RunID != receipts[0].RunID {
			t.Errorf("two runs: %s and %s", r.RunID, receipts[0].RunID)
		}
		if !r.Existing {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d requests started a new run, want 1", first)
	}
	info, err := clients[0].inspector.GetQueueInfo(QueueImport)
	if err != nil || info.Size != 1 {
		t.Errorf("queue = %+v, %v; want one task", info, err)
	}
}

func TestOtherRequestsAreOthers(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	other, dry := validImport(), validImport()
	other.Tenant, dry.DryRun = "beta", true
	var got []string
	for _, args := range []ImportArgs{validImport(), other, dry} {
		r := mustImport(t, c, args)
		if r.Existing || slices.Contains(got, r.RunID) {
			t.Errorf("%+v: receipt %+v", args, r)
		}
		got = append(got, r.RunID)
	}
}

// While a run is waiting, running or retrying, the same request returns that run. Once
// the run has ended in any state, the request starts a new run.
func TestSameRequestThroughTheRunsLife(t *testing.T) {
	t.Parallel()
	url := database(t)
	c := openClient(t, url)
	s := openServer(t, url, ServerConfig{})
	verdicts, running := make(chan error), make(chan string)
	Handle(s, Import(), func(_ context.Context, job Job[ImportArgs]) (RunResult, error) {
		running <- job.RunID
		return RunResult{RunID: job.RunID, State: "succeeded"}, <-verdicts
	})
	first := mustImport(t, c, validImport())
	expect := func(stage string, want Receipt) {
		t.Helper()
		if got := mustImport(t, c, validImport()); got != want {
			t.Errorf("%s: %+v, want %+v", stage, got, want)
		}
	}
	expect("waiting", Receipt{first.RunID, true})
	start(t, s)
	receive(t, running)
	expect("running", Receipt{first.RunID, true})
	verdicts <- errors.New("status 502")
	eventually(t, "retry", func() bool {
		st, err := c.Status(t.Context(), first.RunID)
		return err == nil && st.State == StateRetrying
	})
	expect("to be tried again", Receipt{first.RunID, true})
	hurry(t, c)
	receive(t, running)
	verdicts <- nil
	await(t, c, first.RunID)

	second := mustImport(t, c, validImport())
	if second.Existing || second.RunID == first.RunID {
		t.Errorf("after the end: %+v", second)
	}
	receive(t, running)
	verdicts <- Never(errors.New("status 403"))
	await(t, c, second.RunID)
	third := mustImport(t, c, validImport())
	if third.Existing {
		t.Errorf("after the failure: %+v", third)
	}
	receive(t, running)
	verdicts <- nil
	await(t, c, third.RunID)
}

func TestDeathBetweenClaimAndEnqueue(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ age, atLeast, atMost time.Duration }{
		"long ago":        {dedupGrace, 0, dedupGrace},
		"just now":        {dedupGrace - 700*time.Millisecond, 300 * time.Millisecond, dedupGrace},
		"clock went back": {-time.Hour, 0, dedupGrace},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := openClient(t, database(t))
			dead := NewRunID()
			started := time.Now() // start before storing the key, so that a slow machine cannot shorten the measured wait
			setDedupKey(t, c, validImport(), dead, tc.age)
			r := mustImport(t, c, validImport())
			if took := time.Since(started); took < tc.atLeast || took > tc.atMost {
				t.Errorf("took %v, want %v to %v", took, tc.atLeast, tc.atMost)
			}
			if r.Existing || r.RunID == dead {
				t.Errorf("receipt = %+v", r)
			}
			if again := mustImport(t, c, validImport()); again != (Receipt{r.RunID, true}) {
				t.Errorf("requested again: %+v", again)
			}
		})
	}
}

// If another client has stored the key but not yet enqueued the task, the request waits
// and returns that client's run.
func TestRequestWaitsForTheOther(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	other := NewRunID()
	setDedupKey(t, c, validImport(), other, 0)
	answer := make(chan Receipt, 1)
	go func() {
		r, _ := c.Import(t.Context(), validImport())
		answer <- r
	}()
	if err := Enqueue(t.Context(), c, Import(), other, validImport()); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, answer); got != (Receipt{other, true}) {
		t.Errorf("receipt = %+v, want the other client's", got)
	}
}

func TestRequestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	setDedupKey(t, c, validImport(), NewRunID(), 0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Import(ctx, validImport()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the context's", err)
	}
}

func TestDamagedClaimIsReplaced(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	if err := c.rdb.Set(t.Context(), dedupKey(validImport()), "junk", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if r := mustImport(t, c, validImport()); r.Existing {
		t.Errorf("receipt = %+v", r)
	}
	if ttl := c.rdb.TTL(t.Context(), dedupKey(validImport())).Val(); ttl < dedupKeep-time.Minute {
		t.Errorf("the key lives for %v, want %v", ttl, dedupKeep)
	}
}

// trips counts a client's round trips to Redis.
type trips struct{ n atomic.Int64 }

func (t *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (t *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmd)
	}
}

func (t *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmds)
	}
}

func TestRequestIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	first := mustImport(t, c, validImport()) // loads the script
	other := validImport()
	other.Tenant = "beta"
	var counted trips
	c.rdb.AddHook(&counted)
	second := mustImport(t, c, other)
	if n := counted.n.Load(); n != 1 {
		t.Errorf("%d round trips", n)
	}
	unrecorded, err := c.TakeUnrecorded(t.Context(), 10)
	if err != nil || len(unrecorded) != 2 || unrecorded[0].RunID != first.RunID || unrecorded[1].RunID != second.RunID {
		t.Errorf("unrecorded = %+v, %v; want both runs in request order", unrecorded, err)
	}
}

// The key is written together with its task, so a key without a task does not block a
// request.
func TestClaimOfATaskThatIsGone(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	first := mustImport(t, c, validImport())
	if err := c.inspector.DeleteTask(QueueImport, first.RunID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), dedupGrace/2)
	defer cancel()
	second, err := c.Import(ctx, validImport())
	if err != nil || second.Existing || second.RunID == first.RunID {
		t.Errorf("receipt = %+v, %v; want a new run", second, err)
	}
}
