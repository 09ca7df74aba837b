package tasks

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
)

// kindNames lists the name of every kind. Add new kinds here.
var kindNames = []string{KindImport, KindMap, KindUnmap, KindResync}

func TestNoKindBeginsWithAnother(t *testing.T) {
	t.Parallel()
	for _, a := range kindNames {
		for _, b := range kindNames {
			if a != b && strings.HasPrefix(a, b) {
				t.Errorf("%q begins with %q: asynq's ServeMux would confuse them", a, b)
			}
		}
	}
}

func TestKindFault(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Kind[note, RunResult])
		want   []string
	}{
		"complete":    {func(*Kind[note, RunResult]) {}, nil},
		"name":        {func(k *Kind[note, RunResult]) { k.Name = " " }, []string{"no name"}},
		"attempts":    {func(k *Kind[note, RunResult]) { k.MaxAttempts = 1 }, []string{"max attempts 1"}},
		"no timeout":  {func(k *Kind[note, RunResult]) { k.Timeout = 0 }, []string{"timeout 0s"}},
		"fraction":    {func(k *Kind[note, RunResult]) { k.Timeout = 1500 * time.Millisecond }, []string{"timeout 1.5s"}},
		"queue, rest": {func(k *Kind[note, RunResult]) { k.Queue, k.Retention = nil, 0 }, []string{"no queue", "retention 0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := noteKind()
			tc.change(&k)
			err := k.fault()
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("fault = %v, want %v", err, tc.want)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("fault = %v, want %q in it", err, want)
				}
			}
		})
	}
	if err := Import().fault(); err != nil {
		t.Error(err)
	}
}

// Each kind sets all limits. asynq's defaults are 25 retries, 30 minutes and no
// retention.
func TestTaskCarriesTheKindsLimits(t *testing.T) {
	t.Parallel()
	c := openClient(t, database(t))
	id := NewRunID()
	args := validImport()
	args.ClientIDs, args.All, args.RequestedBy = []int64{9, 3, 9}, false, "ann"
	if err := Enqueue(t.Context(), c, Import(), id, args); err != nil {
		t.Fatal(err)
	}
	info, err := c.inspector.GetTaskInfo(QueueInteractive, id)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"id": info.ID, "type": info.Type, "payload": string(info.Payload), "retries": info.MaxRetry,
		"timeout": info.Timeout, "retention": info.Retention, "state": info.State,
	}
	want := map[string]any{
		"id": id, "type": "halo:import", "retries": 10,
		"payload": `{"tenant":"acme","connection_id":"0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6","client_ids":[3,9],"requested_by":"ann"}`,
		"timeout": 30 * time.Minute, "retention": 24 * time.Hour, "state": asynq.TaskStatePending,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
