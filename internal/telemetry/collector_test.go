package telemetry

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func scrape(m *Metrics) string {
	page := httptest.NewRecorder()
	m.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	return page.Body.String()
}

// Ten scrapes cause only one read of Redis and Postgres. A server that does not answer is
// reported as down and does not delay a scrape for long. The other server's metrics are
// still exported.
func TestScrapesShareOneLook(t *testing.T) {
	t.Parallel()
	m := NewMetrics("test")
	var asked atomic.Int32
	m.CollectFrom(Sources{
		Queues: func(ctx context.Context) ([]Queue, error) {
			asked.Add(1)
			if end, ok := ctx.Deadline(); !ok || time.Until(end) > sourceTimeout {
				t.Errorf("the deadline is %v, want %v from now at most", end, sourceTimeout)
			}
			<-ctx.Done() // a Redis that does not answer
			return nil, ctx.Err()
		},
		Fleet: func(context.Context) (Fleet, error) {
			asked.Add(1)
			return Fleet{Mappings: map[string]int{"ok": 7, "made up": 1}, CountedAt: time.Now(), SweepLate: time.Hour}, nil
		},
		RedisPool: func() Pool { return Pool{} }, PostgresPool: func() Pool { return Pool{Used: 2, Idle: 1, Max: 9} },
	})
	var scrapers sync.WaitGroup
	for range 10 {
		scrapers.Go(func() {
			page := scrape(m)
			for _, want := range []string{
				`halosync_server_up{server="redis"} 0`, `halosync_server_up{server="postgres"} 1`, `halosync_mappings{state="ok"} 7`,
				`halosync_mappings{state="missing"} 0`, `halosync_retention_overdue_seconds 3600`, `halosync_pool_connections{server="postgres",state="used"} 2`,
			} {
				if !strings.Contains(page, want+"\n") {
					t.Errorf("missing: %s", want)
				}
			}
			if strings.Contains(page, "made up") || strings.Contains(page, "halosync_queue_tasks{") {
				t.Error("the page has metrics of an unavailable server or of an unknown state")
			}
		})
	}
	scrapers.Wait()
	if n := asked.Load(); n != 2 {
		t.Errorf("%d reads, want 2", n)
	}
}

// Before the first count in Postgres, a worker omits the counts instead of exporting
// zeros.
func TestNothingCountedIsNotZero(t *testing.T) {
	t.Parallel()
	m := NewMetrics("test")
	m.CollectFrom(Sources{
		Queues:    func(context.Context) ([]Queue, error) { return nil, errors.New("away") },
		Fleet:     func(context.Context) (Fleet, error) { return Fleet{}, nil },
		RedisPool: func() Pool { return Pool{} }, PostgresPool: func() Pool { return Pool{} },
	})
	if page := scrape(m); strings.Contains(page, "halosync_mappings{") || strings.Contains(page, "halosync_dispatcher_lag_seconds 0") {
		t.Error("zeros")
	}
}

// Unknown kinds and outcomes share one series.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMetrics("test")
	for _, evil := range []string{"acme", "tenant-2", "x\ny", ""} {
		m.RunEnded(evil, evil, time.Second)
		m.Wrote(evil, 1, 1)
		m.Forgot(evil, 1)
	}
	page := scrape(m)
	if strings.Contains(page, "acme") || !strings.Contains(page, `halosync_runs_total{kind="other",outcome="other"} 4`) {
		t.Error("the page has unknown kinds or outcomes as labels")
	}
}
