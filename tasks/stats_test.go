package tasks

import (
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

// The counts match those of asynq's inspector for every state of a task.
func TestQueuesAreCountedAsAsynqDoes(t *testing.T) {
	t.Parallel()
	url := database(t)
	c, s := openClient(t, url), openServer(t, url, ServerConfig{})
	empty, err := s.Queues(t.Context())
	if err != nil || len(empty) != 3 || empty[0].Latency != 0 {
		t.Fatalf("empty: %+v, %v", empty, err)
	}
	ids := make([]string, 7)
	for i := range ids {
		ids[i] = enqueueNote(t, c, noteKind())
	}
	in := c.inspector
	if err := errors.Join(in.ArchiveTask(QueueInteractive, ids[5]), in.PauseQueue(QueueInteractive)); err != nil {
		t.Fatal(err)
	}
	client := asynq.NewClientFromRedisClient(c.rdb)
	if _, err := client.Enqueue(asynq.NewTask("test:note", nil), asynq.Queue(QueueInteractive), asynq.ProcessIn(time.Hour)); err != nil {
		t.Fatal(err)
	}
	queues, err := s.Queues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		if q.Name != QueueInteractive {
			continue
		}
		info, err := in.GetQueueInfo(q.Name)
		if err != nil {
			t.Fatal(err)
		}
		got := []int{q.Tasks["pending"], q.Tasks["active"], q.Tasks["scheduled"], q.Tasks["retry"], q.Tasks["archived"], q.Tasks["completed"]}
		want := []int{info.Pending, info.Active, info.Scheduled, info.Retry, info.Archived, info.Completed}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("states %v, asynq reports %v", got, want)
				break
			}
		}
		if d := info.Latency - q.Latency; q.Tasks["pending"] != 6 || !q.Paused || q.Latency <= 0 || d.Abs() > time.Second {
			t.Errorf("%+v, asynq reports %+v", q, info)
		}
	}
	if p := s.PoolStat(); p.Max < 1 || p.Used+p.Idle < 1 {
		t.Errorf("pool %+v", p)
	}
}
