package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// readyTimeout bounds one readiness check, well below a prober's patience.
const readyTimeout = 3 * time.Second

// Check is one thing that must work for a worker to be of use.
type Check struct {
	Name string // e.g. "postgres"
	Run  func(context.Context) error
}

// OpsHandler serves /livez (the process answers), /readyz (every check
// passes, else 503 with the reasons) and /metrics.
func OpsHandler(m *Metrics, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		var lines []string
		status := http.StatusOK
		for _, c := range checks {
			result := "ok"
			if err := c.Run(ctx); err != nil {
				status, result = http.StatusServiceUnavailable, err.Error()
			}
			lines = append(lines, c.Name+": "+result)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, strings.Join(lines, "\n"))
	})
	mux.Handle("GET /metrics", m.Handler())
	return mux
}
