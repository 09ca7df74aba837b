package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds the metrics of a worker. Labels contain only route templates, kinds, states
// and outcomes. They never contain a tenant, an id or a name, because those have an
// unbounded number of values.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	tasks    *prometheus.HistogramVec

	late, locked                  prometheus.Gauge
	scheduled, missed, dispatched prometheus.Counter

	runs           *prometheus.CounterVec
	runSeconds     *prometheus.HistogramVec
	pages, records *prometheus.CounterVec
	retries        *prometheus.CounterVec
	forgotten      *prometheus.CounterVec

	granted          *prometheus.HistogramVec
	refused          *prometheus.CounterVec
	throttled, local prometheus.Counter

	security *prometheus.CounterVec
}

// NewMetrics returns the metrics of a worker, including those of Go and the process.
// The version is a label of halosync_build_info.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "halosync_halo_request_seconds",
			Help:    "Duration of HTTP attempts to Halo in seconds, by route template and status (0: no response).",
			Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "status"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halosync_halo_response_bytes_total",
			Help: "Bytes read from Halo, after decompression.",
		}, []string{"route"}),
		tasks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "halosync_task_seconds",
			Help:    "Duration of task executions in seconds, by kind and verdict; a long run has several executions.",
			Buckets: []float64{.1, .5, 1, 5, 15, 60, 300, 900},
		}, []string{"kind", "verdict"}),
	}
	m.late = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "halosync_resyncs_late", Help: "Active connections whose resync is more than 15 minutes late.",
	})
	m.locked = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "halosync_credentials_locked", Help: "Stored credentials that this worker's key set cannot decrypt.",
	})
	m.scheduled = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_resyncs_scheduled_total", Help: "Scheduled resyncs that this worker started.",
	})
	m.missed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_resyncs_missed_total", Help: "Scheduled resyncs that were missed because no worker was running.",
	})
	m.dispatched = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_runs_dispatched_total", Help: "Runs from the ledger that this worker enqueued.",
	})
	m.granted = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "halosync_budget_wait_seconds",
		Help:    "Time in seconds that granted requests waited for the budget of their Halo, by class (person, background).",
		Buckets: []float64{.01, .1, .5, 1, 2.5, 5, 30, 300},
	}, []string{"class"})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "halosync_budget_refused_total", Help: "Requests that were postponed because the budget was used up.",
	}, []string{"class"})
	m.throttled = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_budget_throttled_total", Help: "429 responses from Halo; each burst pauses the fleet and lowers the limit.",
	})
	m.local = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_budget_alone_total", Help: "Requests from this worker's own share of the budget while Redis was unavailable.",
	})
	for _, class := range []string{"person", "background"} {
		m.granted.WithLabelValues(class)
		m.refused.WithLabelValues(class)
	}
	m.registerRuns()
	m.registerSecurity()
	m.beginAtZero()
	m.registry.MustRegister(m.granted, m.refused, m.throttled, m.local)
	m.registry.MustRegister(m.late, m.locked, m.scheduled, m.missed, m.dispatched)
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "halosync_build_info", Help: "Always 1; the label is the version.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
	m.registry.MustRegister(m.requests, m.bytes, m.tasks, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// HaloAttempt counts one HTTP attempt. The route is a template such as "GET
// /Client/{id}". Status 0 means that there was no response. A status without a standard
// name counts under its class, such as "4xx". Otherwise a server could create hundreds
// of permanent series.
func (m *Metrics) HaloAttempt(route string, status int, took time.Duration, bytes int64) {
	label := strconv.Itoa(status)
	if status != 0 && http.StatusText(status) == "" {
		label = label[:1] + "xx"
	}
	m.requests.WithLabelValues(route, label).Observe(took.Seconds())
	m.bytes.WithLabelValues(route).Add(float64(bytes))
}

// TaskDone counts one execution of a task.
func (m *Metrics) TaskDone(kind, verdict string, took time.Duration) {
	m.tasks.WithLabelValues(kind, verdict).Observe(took.Seconds())
}

// Tick records one tick of the scheduler. The arguments late and locked are current
// values. The other arguments are added to counters.
func (m *Metrics) Tick(late, locked, scheduled, missed, dispatched int) {
	m.late.Set(float64(late))
	m.locked.Set(float64(locked))
	m.scheduled.Add(float64(scheduled))
	m.missed.Add(float64(missed))
	m.dispatched.Add(float64(dispatched))
}

// BudgetGranted counts a granted request and records how long it waited. If local is true,
// the process's own share was used. The class is "person" or "background".
func (m *Metrics) BudgetGranted(class string, waited time.Duration, local bool) {
	m.granted.WithLabelValues(class).Observe(waited.Seconds())
	if local {
		m.local.Inc()
	}
}

// BudgetRefused counts a postponed request.
func (m *Metrics) BudgetRefused(class string) { m.refused.WithLabelValues(class).Inc() }

// BudgetThrottled counts a 429 response.
func (m *Metrics) BudgetThrottled() { m.throttled.Inc() }

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
