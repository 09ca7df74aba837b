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
