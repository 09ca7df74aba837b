package worker

import (
	"context"
	"time"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/scheduler"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// observeHalo counts attempts at Halo.
func observeHalo(m *telemetry.Metrics) func(halo.Attempt) {
	return func(a halo.Attempt) {
		m.HaloAttempt(a.Route, a.Status, a.Duration, a.Bytes)
		if a.Try > 1 {
			m.HaloRetry(a.Route)
		}
	}
}

// observeRemoved counts old history that was removed.
func observeRemoved(m *telemetry.Metrics) func(scheduler.Removed) {
	return func(f scheduler.Removed) {
		m.Forgot("runs", f.Runs)
		m.Forgot("events", f.Events)
		m.Forgot("clients", f.Clients)
		m.Forgot("visits", f.Visits)
	}
}

// watch lets the metrics ask for what only Redis and Postgres know.
func watch(m *telemetry.Metrics, clock *scheduler.Scheduler, store *repo.Store, server *tasks.Server) {
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
			f, err := clock.Fleet(ctx)
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
