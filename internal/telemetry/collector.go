package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// watchFor is how long an answer of Redis or Postgres serves all scrapes, and
	// watchTimeout how long a scrape waits for one.
	watchFor     = 5 * time.Second
	watchTimeout = 2 * time.Second
)

// Queue is the state of one queue.
type Queue struct {
	Name    string
	Tasks   map[string]int // by state
	Latency time.Duration  // for how long the task that is next has been waiting
	Paused  bool
}

// Fleet is the state of the whole installation.
type Fleet struct {
	Mappings         map[string]int            // in force, by state
	Connections      map[string]int            // by state
	Unfinished       map[string]map[string]int // runs, by kind and state
	OldestUnverified time.Duration             // 0: no mapping is unverified
	Undispatched     time.Duration             // the oldest run that is due and not in the queue; 0: none
	CountedAt        time.Time                 // zero: not yet
	SweptAt          time.Time                 // when old history was last removed; zero: never
	SweepLate        time.Duration             // for how long that has been due
}

// Pool is how connections to a server are used.
type Pool struct {
	Used, Idle, Most int
	Waits            int64 // times that somebody had to wait for a connection, or did not get one, so far
}

// Sources are where the numbers come from that are asked for at a scrape.
type Sources struct {
	Queues                  func(context.Context) ([]Queue, error)
	Fleet                   func(context.Context) (Fleet, error)
	RedisPool, PostgresPool func() Pool
}

// Watch adds the numbers of the sources. However many scrape, each source is
// asked once in five seconds, and waited for two; one that does not answer is
// "down", and its numbers are left out rather than old.
func (m *Metrics) Watch(from Sources) { m.registry.MustRegister(&watch{from: from}) }

// watch is a collector that remembers the answers for a moment.
type watch struct {
	from Sources

	mu       sync.Mutex
	at       time.Time
	queues   []Queue
	fleet    Fleet
	redis    error
	postgres error
}

// Describe sends nothing: what there is depends on who answers.
func (w *watch) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (w *watch) Collect(out chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.at) >= watchFor {
		w.ask()
	}
	up := func(err error) float64 {
		if err != nil {
			return 0
		}
		return 1
	}
	gauge(out, serverUp, up(w.redis), "redis")
	gauge(out, serverUp, up(w.postgres), "postgres")
	if w.redis == nil {
		collectQueues(out, w.queues)
	}
	if w.postgres == nil {
		collectFleet(out, w.fleet)
	}
	collectPool(out, "redis", w.from.RedisPool())
	collectPool(out, "postgres", w.from.PostgresPool())
}

// ask asks both servers at the same time.
func (w *watch) ask() {
	ctx, cancel := context.WithTimeout(context.Background(), watchTimeout)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { w.queues, w.redis = w.from.Queues(ctx) })
	both.Go(func() { w.fleet, w.postgres = w.from.Fleet(ctx) })
	both.Wait()
	w.at = time.Now()
}

// The states that are told of, also when there is nothing in them.
var (
	taskStates       = []string{"pending", "active", "scheduled", "retry", "archived", "completed"}
	mappingStates    = []string{"ok", "inactive", "missing", "unverified"}
	connectionStates = []string{"active", "paused", "needs_reconnect"}
	unfinishedStates = []string{"queued", "running"}
)

var (
	serverUp = desc("server_up", "1 if the server answered within two seconds, else 0.", "server")

	queueTasks   = desc("queue_tasks", "Tasks of the queue by asynq's state.", "queue", "state")
	queueLatency = desc("queue_latency_seconds", "For how long the task that is next in the queue has been waiting; 0: none is.", "queue")
	queuePaused  = desc("queue_paused", "1 if somebody has paused the queue.", "queue")

	poolConnections = desc("pool_connections", "This worker's connections to the server.", "server", "state")
	poolMost        = desc("pool_connections_max", "As many may there be.", "server")
	poolWaits       = desc("pool_waits_total", "Times that this worker had to wait for a connection, or did not get one.", "server")

	mappings         = desc("mappings", "Mappings in force, of all tenants, by state; counted by one worker a minute.", "state")
	oldestUnverified = desc("mapping_unverified_oldest_seconds", "For how long the mapping that is unverified for longest has not been verified; 0: none is unverified.")
	connections      = desc("connections", "Connections of all tenants by state.", "state")
	unfinished       = desc("runs_unfinished", "Runs of all tenants that have not ended.", "kind", "state")
	dispatcherLag    = desc("dispatcher_lag_seconds", "For how long the oldest run that is due has not been put into the queue; 0: there is none.")
	countedAt        = desc("fleet_counted_timestamp_seconds", "When the numbers over all tenants were counted.")
	sweptAt          = desc("retention_done_timestamp_seconds", "When old history was last removed; 0: never.")
	sweepLate        = desc("retention_overdue_seconds", "For how long the removal of old history has been due; 0: it is not.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("halosync_"+name, help, labels, nil)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
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
	gauge(out, poolMost, float64(p.Most), server)
	out <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(p.Waits), server)
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
