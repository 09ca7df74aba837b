package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/halosync/halosync/internal/telemetry/telemetrytest"
)

// walkMetrics checks the metrics of each worker after the episode. All
// documented metrics must be present, and every label must have a listed value.
func (e *episode) walkMetrics(ctx context.Context) {
	docs := telemetrytest.Docs(e)
	// Once a minute, one worker counts the mappings. That worker may have been
	// killed.
	if _, err := e.pool.Exec(ctx, `update halosync.upkeep set next_at = now(), held_until = null where job = 'numbers'`); err != nil {
		e.Errorf("count now: %v", err)
	}
	for i, s := range e.supervisors {
		var page string
		err := e.await(ctx, fmt.Sprintf("worker %d reports both servers", i), settleTimeout, func() (bool, error) {
			var err error
			page, err = s.metrics(ctx)
			return strings.Contains(page, "\nhalosync_mappings{") && strings.Contains(page, "\nhalosync_queue_tasks{"), err
		})
		if err != nil {
			e.Errorf("%v\n%s", err, page)
			continue
		}
		for _, fault := range telemetrytest.Check(page, docs) {
			e.Errorf("metrics of worker %d: %s", i, fault)
		}
	}
	e.note("the metrics of %d workers have been checked", len(e.supervisors))
}

// metrics returns the metrics of the current process.
func (s *supervisor) metrics(ctx context.Context) (string, error) {
	var addr string
	for line := range strings.Lines(s.log.String()) {
		var entry struct{ Msg, Metrics string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "worker started" {
			addr = entry.Metrics // the last entry is from the latest process
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
