package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// cacheTime is how long scrapes reuse the replies from Redis and Postgres.
	cacheTime = 5 * time.Second
	// sourceTimeout is how long a scrape waits for replies from Redis and Postgres.
	sourceTimeout = 2 * time.Second
)

// Queue is the state of one queue.
type Queue struct {
	Name    string
	Tasks   map[string]int // by state
	Latency time.Duration  // how long the next task has been waiting
	Paused  bool
}

// Fleet is the state of the whole installation.
type Fleet struct {
	Mappings         map[string]int            // active mappings by state
	Connections      map[string]int            // by state
	Unfinished       map[string]map[string]int // runs by kind and state
	OldestUnverified time.Duration             // age of the oldest unverified mapping; 0 if there is none
	Undispatched     time.Duration             // how long the oldest due run has been missing from the queue; 0 if none is missing
	CountedAt        time.Time                 // zero if not counted yet
	SweptAt          time.Time                 // last deletion of old history; zero if never
	SweepLate        time.Duration             // how long the next deletion is overdue
}

// Pool describes the use of a connection pool.
type Pool struct {
	Used, Idle, Max int
	Waits           int64 // waits for a connection since the start, including failed waits
}

// Bulkhead describes the use of a resource that tenants share. Its name is the value
// of a label.
type Bulkhead struct {
	Name                          string
	Used, Size                    int64
	RefusedTenant, RefusedProcess int64 // since the start
}

// Sources are the functions that a scrape calls to read current values.
type Sources struct {
	Queues                  func(context.Context) ([]Queue, error)
	Fleet                   func(context.Context) (Fleet, error)
	RedisPool, PostgresPool func() Pool
	// Bulkheads and RateLimited are nil in a worker that serves no HTTP.
	Bulkheads   func() []Bulkhead
	RateLimited func() (tenant, key int64)
}

// CollectFrom adds the metrics of the sources. It reads each source at most once every
// five seconds and waits up to two seconds for it. If a source fails, its server is
// reported as down and its metrics are omitted, because old values would mislead.
func (m *Metrics) CollectFrom(from Sources) { m.registry.MustRegister(&collector{from: from}) }

// collector caches the replies of the sources.
type collector struct {
	from Sources

	mu       sync.Mutex
	at       time.Time
	queues   []Queue
	fleet    Fleet
	redis    error
	postgres error
}

// Describe sends nothing, because the metrics depend on which servers answer.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) >= cacheTime {
		c.read()
	}
	up := func(err error) float64 {
		if err != nil {
			return 0
		}
		return 1
	}
	gauge(out, serverUp, up(c.redis), "redis")
	gauge(out, serverUp, up(c.postgres), "postgres")
	if c.redis == nil {
		collectQueues(out, c.queues)
	}
	if c.postgres == nil {
		collectFleet(out, c.fleet)
	}
	collectPool(out, "redis", c.from.RedisPool())
	collectPool(out, "postgres", c.from.PostgresPool())
	if c.from.Bulkheads != nil {
		collectBulkheads(out, c.from.Bulkheads())
	}
	if c.from.RateLimited != nil {
		tenant, key := c.from.RateLimited()
		counter(out, rateLimited, tenant, "tenant")
		counter(out, rateLimited, key, "key")
	}
}

// read reads from both servers at the same time.
func (c *collector) read() {
	ctx, cancel := context.WithTimeout(context.Background(), sourceTimeout)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { c.queues, c.redis = c.from.Queues(ctx) })
	both.Go(func() { c.fleet, c.postgres = c.from.Fleet(ctx) })
	both.Wait()
	c.at = time.Now()
}

// States that have a series even if their count is zero.
var (
	taskStates       = []string{"pending", "active", "scheduled", "retry", "archived", "completed"}
	mappingStates    = []string{"ok", "inactive", "missing", "unverified"}
	connectionStates = []string{"active", "paused", "needs_reconnect"}
	unfinishedStates = []string{"queued", "running"}
)

var (
	serverUp = desc("server_up", "1 if the server answered within two seconds, else 0.", "server")

	queueTasks   = desc("queue_tasks", "Tasks of the queue, by asynq's state.", "queue", "state")
	queueLatency = desc("queue_latency_seconds", "Waiting time of the queue's next task in seconds; 0 if the queue is empty.", "queue")
	queuePaused  = desc("queue_paused", "1 if the queue is paused, else 0.", "queue")

	poolConnections = desc("pool_connections", "This worker's connections to the server, by state.", "server", "state")
	poolMax         = desc("pool_connections_max", "Maximum number of connections in the pool.", "server")
	poolWaits       = desc("pool_waits_total", "How often this worker waited for a connection (Postgres), or gave up waiting for one (Redis).", "server")

	bulkheadUsed    = desc("bulkhead_used", "Units in use of a resource that tenants share: requests, streams, connections, statements or bytes.", "bulkhead")
	bulkheadSize    = desc("bulkhead_size", "Maximum number of units in use.", "bulkhead")
	bulkheadRefused = desc("bulkhead_refused_total", "Refusals because the part of a tenant, or all units, were in use.", "bulkhead", "limit")
	rateLimited     = desc("http_rate_limited_total", "Requests refused because their tenant or their key exceeded its requests per minute.", "limit")

	mappings         = desc("mappings", "Active mappings of all tenants, by state; counted about once a minute.", "state")
	oldestUnverified = desc("mapping_unverified_oldest_seconds", "Age of the oldest unverified mapping in seconds; 0 if there is none.")
	connections      = desc("connections", "Connections of all tenants, by state.", "state")
	unfinished       = desc("runs_unfinished", "Runs of all tenants that have not ended, by kind and state.", "kind", "state")
	dispatcherLag    = desc("dispatcher_lag_seconds", "Seconds for which the oldest run has been due but not enqueued; 0 if there is none.")
	countedAt        = desc("fleet_counted_timestamp_seconds", "Time of the last count over all tenants.")
	sweptAt          = desc("retention_done_timestamp_seconds", "Time of the last deletion of old history; 0 if never.")
	sweepLate        = desc("retention_overdue_seconds", "Seconds for which the deletion of old history has been overdue; 0 if it is not.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("halosync_"+name, help, labels, nil)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, value int64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func collectBulkheads(out chan<- prometheus.Metric, all []Bulkhead) {
	for _, b := range all {
		gauge(out, bulkheadUsed, float64(b.Used), b.Name)
		gauge(out, bulkheadSize, float64(b.Size), b.Name)
		counter(out, bulkheadRefused, b.RefusedTenant, b.Name, "tenant")
		counter(out, bulkheadRefused, b.RefusedProcess, b.Name, "worker")
	}
}

func collectQueues(out chan<- prometheus.Metric, queues []Queue) {
	for _, q := range queues {
		for _, state := range taskStates {
			gauge(out, queueTasks, float64(q.Tasks[state]), q.Name, state)
		}
		gauge(out, queueLatency, q.Latency.Seconds(), q.Name)
		paused := 0.0
		if q.Paused {
			paused = 1
		}
		gauge(out, queuePaused, paused, q.Name)
	}
}

func collectPool(out chan<- prometheus.Metric, server string, p Pool) {
	gauge(out, poolConnections, float64(p.Used), server, "used")
	gauge(out, poolConnections, float64(p.Idle), server, "idle")
	gauge(out, poolMax, float64(p.Max), server)
	counter(out, poolWaits, p.Waits, server)
}

func collectFleet(out chan<- prometheus.Metric, f Fleet) {
	gauge(out, sweptAt, unix(f.SweptAt))
	gauge(out, sweepLate, f.SweepLate.Seconds())
	if f.CountedAt.IsZero() {
		return
	}
	gauge(out, countedAt, unix(f.CountedAt))
	for _, state := range mappingStates {
		gauge(out, mappings, float64(f.Mappings[state]), state)
	}
	for _, state := range connectionStates {
		gauge(out, connections, float64(f.Connections[state]), state)
	}
	for _, kind := range kinds {
		for _, state := range unfinishedStates {
			gauge(out, unfinished, float64(f.Unfinished[kind][state]), kind, state)
		}
	}
	gauge(out, oldestUnverified, f.OldestUnverified.Seconds())
	gauge(out, dispatcherLag, f.Undispatched.Seconds())
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
