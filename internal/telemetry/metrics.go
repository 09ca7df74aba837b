package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are a worker's numbers. Labels hold route templates, kinds, states
// and outcomes only: never a tenant, an id or a name, which have no bound.
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

	turns            *prometheus.HistogramVec
	refused          *prometheus.CounterVec
	throttled, alone prometheus.Counter
}

// NewMetrics makes a registry with Go's and the process's own metrics.
// version labels halosync_build_info.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "halosync_halo_request_seconds",
			Help:    "HTTP attempts to Halo by route template and status (0: no answer).",
			Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "status"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halosync_halo_response_bytes_total",
			Help: "Bytes read from Halo, after decompression.",
		}, []string{"route"}),
		tasks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "halosync_task_seconds",
			Help:    "Executions of tasks by kind and verdict; a long run has several.",
			Buckets: []float64{.1, .5, 1, 5, 15, 60, 300, 900},
		}, []string{"kind", "verdict"}),
	}
	m.late = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "halosync_resyncs_late", Help: "Active connections whose resync has been due for 15 minutes.",
	})
	m.locked = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "halosync_credentials_locked", Help: "Stored credentials that this worker's key set cannot open.",
	})
	m.scheduled = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_resyncs_scheduled_total", Help: "Resyncs that this worker's clock started.",
	})
	m.missed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_resyncs_missed_total", Help: "Times of resyncs that had passed while no worker was up.",
	})
	m.dispatched = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_runs_dispatched_total", Help: "Runs of the ledger that this worker put into the queue.",
	})
	m.turns = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "halosync_budget_wait_seconds",
		Help:    "Requests that the budget of their Halo let through, by class (person, background), and what they waited for it.",
		Buckets: []float64{.01, .1, .5, 1, 2.5, 5, 30, 300},
	}, []string{"class"})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "halosync_budget_refused_total", Help: "Requests put off because the budget was used up for longer than anybody waits.",
	}, []string{"class"})
	m.throttled = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_budget_throttled_total", Help: "Answers 429 of Halo; each burst pauses the fleet and lowers the limit.",
	})
	m.alone = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "halosync_budget_alone_total", Help: "Requests out of this worker's own share, because Redis could not be asked.",
	})
	for _, class := range []string{"person", "background"} {
		m.turns.WithLabelValues(class)
		m.refused.WithLabelValues(class)
	}
	m.registerRuns()
	m.beginAtZero()
	m.registry.MustRegister(m.turns, m.refused, m.throttled, m.alone)
	m.registry.MustRegister(m.late, m.locked, m.scheduled, m.missed, m.dispatched)
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "halosync_build_info", Help: "Always 1; the version is in the label.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
	m.registry.MustRegister(m.requests, m.bytes, m.tasks, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// HaloAttempt counts one HTTP attempt. route is a template such as
// "GET /Client/{id}"; status 0 means that no answer came. A status that has no
// name is counted under its class, such as "4xx": a server can make up hundreds,
// and each would be a series that stays.
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

// Tick notes what one tick of the worker's clock did. late and locked are
// states, the others are added up.
func (m *Metrics) Tick(late, locked, scheduled, missed, dispatched int) {
	m.late.Set(float64(late))
	m.locked.Set(float64(locked))
	m.scheduled.Add(float64(scheduled))
	m.missed.Add(float64(missed))
	m.dispatched.Add(float64(dispatched))
}

// BudgetGranted counts a request that the budget let through after a wait;
// alone: out of this process's own share. class is "person" or "background".
func (m *Metrics) BudgetGranted(class string, waited time.Duration, alone bool) {
	m.turns.WithLabelValues(class).Observe(waited.Seconds())
	if alone {
		m.alone.Inc()
	}
}

// BudgetRefused counts a request that the budget put off.
func (m *Metrics) BudgetRefused(class string) { m.refused.WithLabelValues(class).Inc() }

// BudgetThrottled counts an answer 429.
func (m *Metrics) BudgetThrottled() { m.throttled.Inc() }

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
