package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// An empty list is [], a missing value is null, a time is in UTC, and an empty stack trace
// is omitted.
func TestRecords(t *testing.T) {
	t.Parallel()
	berlin := time.Date(2026, 7, 1, 6, 30, 0, 0, time.FixedZone("", 2*60*60))
	for name, c := range map[string]struct {
		view any
		want []string
		not  string
	}{
		"run":      {NewRun(repo.Run{Kind: "map", Stack: "goroutine 1", QueuedAt: berlin}), []string{`"items":[]`, `"pairs":[]`, `"started_at":null`, `"queued_at":"2026-07-01T04:30:00Z"`}, "stack"},
		"undo":     {NewUndo(engine.Undo{}), []string{`"left":[]`}, "null"},
		"mapping":  {NewMapping(repo.Mapping{MappedAt: berlin}), []string{`"company_id":""`, `"deleted_by":null`, `"mapped_at":"2026-07-01T04:30:00Z"`}, ""},
		"event":    {NewEvent(repo.Event{After: json.RawMessage(`{"name":"Ann"}`)}), []string{`"before":null`, `"after":{"name":"Ann"}`, `"run_id":null`}, ""},
		"schedule": {NewSchedule(repo.Connection{ResyncCron: "1 2 * * *"}), []string{`"schedule":"1 2 * * *"`, `"own":true`}, ""},
		"clients":  {Clients{Clients: Each(nil, NewClient)}, []string{`"clients":[]`}, "null"},
	} {
		text, err := json.Marshal(c.view)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: %s is missing in %s", name, want, text)
			}
		}
		if c.not != "" && strings.Contains(string(text), c.not) {
			t.Errorf("%s: %q is in %s", name, c.not, text)
		}
	}
}
