package worker

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/scheduler"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/internal/traces"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// observeHalo returns a function that records each attempt at a request to Halo.
func observeHalo(m *telemetry.Metrics) func(halo.Attempt) {
	return func(a halo.Attempt) {
		m.HaloAttempt(a.Route, a.Status, a.Duration, a.Bytes)
		if a.Try > 1 {
			m.HaloRetry(a.Route)
		}
	}
}

// observeRemoved returns a function that counts removed rows of history.
func observeRemoved(m *telemetry.Metrics) func(scheduler.Removed) {
	return func(f scheduler.Removed) {
		m.Forgot("runs", f.Runs)
		m.Forgot("events", f.Events)
		m.Forgot("clients", f.Clients)
		m.Forgot("visits", f.Visits)
		m.Forgot("security_events", f.SecurityEvents)
	}
}

// observeSecurity returns a function that logs and counts security events. The log
// lines contain the time and the details that are stored in the table.
func observeSecurity(m *telemetry.Metrics, log *zap.Logger) func(repo.SecurityEvent) {
	return func(e repo.SecurityEvent) {
		m.SecurityEvent(string(e.Kind), string(e.Outcome), e.Count)
		log.Info("security event", zap.Int64("id", e.ID), zap.Time("at", e.At.UTC()), zap.String("kind", string(e.Kind)), zap.String("outcome", string(e.Outcome)),
			zap.String("tenant", e.Tenant), zap.String("actor", e.Actor), zap.String("address", e.Address), zap.String("user_agent", e.UserAgent),
			zap.String("detail", e.Detail), zap.Int("count", e.Count), zap.String("written_by", e.WrittenBy))
	}
}

// shared holds the resources that tenants share in a worker, for metrics.
type shared struct {
	bulkheads   []*bulkhead.Bulkhead
	rateLimited func() (tenant, key int64) // nil without HTTP
}

// watch connects the metrics to Redis, Postgres and the limits of the tenants.
func watch(m *telemetry.Metrics, clock *scheduler.Scheduler, store *repo.Store, server *tasks.Server, all shared) {
	m.CollectFrom(telemetry.Sources{
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
			return telemetry.Pool{Used: p.Used, Idle: p.Idle, Max: p.Max, Waits: p.Timeouts}
		},
		PostgresPool: func() telemetry.Pool {
			p := store.PoolStat()
			return telemetry.Pool{Used: p.Used, Idle: p.Idle, Max: p.Max, Waits: p.Waits}
		},
		Bulkheads: func() []telemetry.Bulkhead {
			stats := make([]telemetry.Bulkhead, len(all.bulkheads))
			for i, b := range all.bulkheads {
				stats[i] = telemetry.Bulkhead(b.Stats())
			}
			return stats
		},
		RateLimited: all.rateLimited,
	})
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// switchLevel toggles the log level between debug and the configured level at each
// SIGUSR1. Call stop to end this.
func switchLevel(level zap.AtomicLevel, log *zap.Logger) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	usual := level.Level()
	var running sync.WaitGroup
	running.Go(func() {
		for range signals {
			next := zapcore.DebugLevel
			if level.Level() == next {
				next = usual
			}
			level.SetLevel(zapcore.InfoLevel) // a higher level would suppress the next entry
			log.Info("log level", zap.Stringer("level", next))
			level.SetLevel(next)
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		running.Wait()
	}
}

// spans creates the worker's trace spans if the environment configures a collector.
type spans struct {
	*traces.Traces
	log *zap.Logger
}

func (p *program) newSpans(ctx context.Context, log *zap.Logger) (spans, error) {
	t, err := traces.New(ctx, p.getenv, "halosync-worker", p.version, func(err error) {
		log.Warn("traces", zap.Error(err))
	})
	if err != nil {
		return spans{}, &config.FaultsError{Faults: []string{err.Error()}}
	}
	return spans{t, log}, nil
}

// close exports the remaining spans. It logs an error instead of returning it.
func (s spans) close(ctx context.Context) {
	if err := s.Close(ctx); err != nil {
		s.log.Warn("traces", zap.Error(err))
	}
}

func (s spans) tasks() func(context.Context, tasks.Execution) (context.Context, tasks.Span) {
	if !s.On() {
		return nil
	}
	return func(ctx context.Context, x tasks.Execution) (context.Context, tasks.Span) {
		ctx, id, end := s.Task(ctx, traces.Task{Kind: x.Kind, Queue: x.Queue, RunID: x.RunID, Attempt: x.Attempt, Headers: x.Headers})
		return ctx, tasks.Span{TraceID: id, End: func(d tasks.Done) {
			end(traces.Ended{Tenant: d.Tenant, Connection: d.Connection, Verdict: string(d.Verdict), Err: d.Err})
		}}
	}
}
