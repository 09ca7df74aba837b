package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

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
