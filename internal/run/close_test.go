package run

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// A result in Redis has the first items, within bounds, and says whether there are more.
func TestResultIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		items, reason, kept int
		more                bool
	}{
		"none":           {0, 0, 0, false},
		"a hundred":      {100, 50, 100, false},
		"one more":       {101, 50, 100, true},
		"the most":       {1000, 4000, 8, true},
		"one huge item":  {1, 40_000, 0, true},
		"up to the byte": {8, 4000, 8, false},
	} {
		var run repo.Run
		for i := range tt.items {
			run.Items = append(run.Items, repo.RunItem{ClientID: int64(i + 1), Outcome: repo.Failed, Reason: strings.Repeat("x", tt.reason)})
		}
		got := resultOf(run)
		text, err := json.Marshal(got.Items)
		if len(got.Items) != tt.kept || got.MoreItems != tt.more || err != nil || len(text) > maxItemBytes+maxItems+2 {
			t.Errorf("%s: %d items, more %v, %d bytes; want %d, %v", name, len(got.Items), got.MoreItems, len(text), tt.kept, tt.more)
		}
		if tt.kept > 0 && got.Items[0].ClientID != 1 {
			t.Errorf("%s: the first item is %+v", name, got.Items[0])
		}
	}
}

// A task whose id is not a run's id has no record that could be closed. An error would
// make the queue execute the task again.
func TestRejectedTaskWithoutARun(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "x", "not/a/run", "\xff"} {
		if err := New(Config{}).Rejected(t.Context(), tasks.Rejected{Kind: tasks.KindImport, RunID: id, Tenant: "acme", Err: errors.New("payload: not JSON")}); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}
