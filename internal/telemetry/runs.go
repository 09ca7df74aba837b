package telemetry

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Known label values. Any other value becomes "other", to bound the number of series.
var (
	kinds    = []string{"import", "map", "unmap", "resync", "suggest"}
	outcomes = []string{"succeeded", "partial", "held", "failed", "cancelled"}
	kept     = []string{"runs", "events", "clients", "visits", "security_events"}
	routes   = []string{"POST /token", "GET /Client", "GET /Client/{id}"} // the routes of package halo
)

const other = "other"

func oneOf(list []string, value string) string {
	if slices.Contains(list, value) {
		return value
	}
	return other
}

// registerRuns adds the metrics of runs. Counters start at 0, so that the first event
// shows as an increase.
func (m *Metrics) registerRuns() {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	m.runs = counter("halosync_runs_total", "Runs that this worker ended, by kind and outcome. Partial: something could not be read or done; the run's error says what and why.", "kind", "outcome")
	m.runSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "halosync_run_seconds",
		Help:    "Seconds from a run's first execution to its end, including waits.",
		Buckets: []float64{.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400},
	}, []string{"kind", "outcome"})
	m.registry.MustRegister(m.runSeconds)
	m.pages = counter("halosync_pages_total", "Pages that this worker wrote (for map runs: chunks of 50 pairs).", "kind")
	m.records = counter("halosync_records_total", "Clients, pairs and mappings that this worker processed.", "kind")
	m.retries = counter("halosync_halo_retries_total", "HTTP attempts to Halo that repeated a failed attempt.", "route")
	m.forgotten = counter("halosync_retention_deleted_total", "History rows that this worker deleted because of their age.", "what")
	for _, kind := range kinds {
		for _, outcome := range outcomes {
			m.runs.WithLabelValues(kind, outcome)
		}
		m.pages.WithLabelValues(kind)
		m.records.WithLabelValues(kind)
	}
	for _, what := range kept {
		m.forgotten.WithLabelValues(what)
	}
}

// beginAtZero creates one series per route or kind for metrics that would otherwise have no
// series before their first event. Thus a new worker has every metric, and the first event
// of a known kind shows as an increase.
func (m *Metrics) beginAtZero() {
	for _, route := range routes {
		m.requests.WithLabelValues(route, "200")
		m.bytes.WithLabelValues(route)
		m.retries.WithLabelValues(route)
	}
	for _, kind := range kinds {
		m.tasks.WithLabelValues("halo:"+kind, "done")
		m.runSeconds.WithLabelValues(kind, "succeeded")
	}
}

// RunEnded counts a run that this worker ended. The duration took is 0 if the run never
// started.
func (m *Metrics) RunEnded(kind, outcome string, took time.Duration) {
	kind, outcome = oneOf(kinds, kind), oneOf(outcomes, outcome)
	m.runs.WithLabelValues(kind, outcome).Inc()
	if took > 0 {
		m.runSeconds.WithLabelValues(kind, outcome).Observe(took.Seconds())
	}
}

// Wrote counts the pages and records that one transaction of a run wrote.
func (m *Metrics) Wrote(kind string, pages, records int) {
	kind = oneOf(kinds, kind)
	m.pages.WithLabelValues(kind).Add(float64(pages))
	m.records.WithLabelValues(kind).Add(float64(records))
}

// HaloRetry counts an attempt that repeats a failed one. The route is a route template.
func (m *Metrics) HaloRetry(route string) { m.retries.WithLabelValues(route).Inc() }

// Forgot counts history rows that were deleted because of their age. The argument what is
// "runs", "events", "clients", "visits" or "security_events".
func (m *Metrics) Forgot(what string, n int) {
	m.forgotten.WithLabelValues(oneOf(kept, what)).Add(float64(n))
}
