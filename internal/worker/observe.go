package worker

import (
	"context"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// observeEngine connects the callbacks of the engine to the metrics.
func observeEngine(cfg *engine.Config, m *telemetry.Metrics) {
	cfg.Observe = func(a halo.Attempt) {
		m.HaloAttempt(a.Route, a.Status, a.Duration, a.Bytes)
		if a.Try > 1 {
			m.HaloRetry(a.Route)
		}
	}
	cfg.Ended = func(r engine.Ended) { m.RunEnded(r.Kind, r.State, r.Took) }
	cfg.Wrote = m.Wrote
	cfg.Forgot = func(f engine.Forgotten) {
		m.Forgot("runs", f.Runs)
		m.Forgot("events", f.Events)
		m.Forgot("clients", f.Clients)
		m.Forgot("visits", f.Visits)
	}
}

// watch connects the metrics to the values that are read from Redis and Postgres.
func watch(m *telemetry.Metrics, eng *engine.Engine, store *repo.Store, server *tasks.Server) {
	m.Watch(telemetry.Sources{
		Queues: func(ctx context.Context) ([]telemetry.Queue, error) {
			numbers, err := server.Queues(ctx)
			queues := make([]telemetry.Queue, len(numbers))
			for i, q := range numbers {
				queues[i] = telemetry.Queue(q)
			}
			return queues, err
		},
		Fleet: func(ctx context.Context) (telemetry.Fleet, error) {
			f, err := eng.Fleet(ctx)
			return telemetry.Fleet{
				Mappings: f.Mappings, Connections: f.Connections, Unfinished: f.Unfinished,
				OldestUnverified: seconds(f.OldestUnverified), Undispatched: seconds(f.Undispatched),
				CountedAt: f.CountedAt, SweptAt: f.SweptAt, SweepLate: f.SweepLate,
			}, err
		},
		RedisPool: func() telemetry.Pool {
			p := server.PoolStat()
			return telemetry.Pool{Used: p.Used, Idle: p.Idle, Most: p.Most, Waits: p.Timeouts}
		},
		PostgresPool: func() telemetry.Pool {
			p := store.PoolStat()
			return telemetry.Pool{Used: p.Used, Idle: p.Idle, Most: p.Most, Waits: p.Waits}
		},
	})
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
