package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// readyTimeout bounds a readiness check. It is well below the timeout of probes.
	readyTimeout = 3 * time.Second
	// readyKept is how long the result of a readiness check is used to answer further
	// requests.
	readyKept = time.Second
)

// Check is a readiness check for one of a worker's dependencies.
type Check struct {
	Name string // e.g. "postgres"
	Run  func(context.Context) error
}

// OpsHandler serves /livez (the process answers), /readyz (all checks pass, otherwise
// 503 with the reasons) and /metrics. The checks run at most once a second, however
// many requests arrive.
func OpsHandler(m *Metrics, checks ...Check) http.Handler {
	return opsHandler(m, readyKept, checks...)
}

func opsHandler(m *Metrics, kept time.Duration, checks ...Check) http.Handler {
	ready := &readiness{checks: checks, kept: kept}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, text := ready.get(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, text)
	})
	mux.Handle("GET /metrics", m.Handler())
	return mux
}

// readiness runs the checks and keeps the result for the time kept, because clients
// without authentication may request /readyz.
type readiness struct {
	checks []Check
	kept   time.Duration

	mu     sync.Mutex
	until  time.Time
	status int
	text   string
}

// get returns the status and one line for each check. Concurrent requests share one
// result, even if the request that started the checks is cancelled.
func (p *readiness) get(ctx context.Context) (status int, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.status, p.text
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	var lines []string
	p.status = http.StatusOK
	for _, c := range p.checks {
		result := "ok"
		if err := c.Run(ctx); err != nil {
			p.status, result = http.StatusServiceUnavailable, err.Error()
		}
		lines = append(lines, c.Name+": "+result)
	}
	p.text = strings.Join(lines, "\n")
	p.until = time.Now().Add(p.kept)
	return p.status, p.text
}
