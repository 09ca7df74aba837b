// Package enginetest runs all use cases within a test process: those of the engine,
// the queue and the scheduler.
package enginetest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/importer"
	"github.com/halosync/halosync/internal/mapper"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/resync"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/internal/scheduler"
	"github.com/halosync/halosync/internal/suggest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Config configures a worker. Only Store is required.
type Config struct {
	Store       *repo.Store
	Queue       *tasks.Client
	Allow       *halo.Allow
	Budget      func(ctx context.Context, instance, limit string, class ratelimit.Class) error
	Throttled   func(instance, limit string, sent time.Time, after time.Duration)
	RetryBudget time.Duration
	Memory      *bulkhead.Memory
	Suggesting  int // maximum number of runs that compute suggestions; default: 10
	Log         *zap.Logger
	TenantRuns  int
	MinSlice    time.Duration
	Keep        scheduler.Retention
	Spread      time.Duration
	Now         func() time.Time
	Every       time.Duration
}

// Worker provides all use cases.
type Worker struct {
	*engine.Engine
	*importer.Importer
	*mapper.Mapper
	*resync.Resyncer
	*suggest.Suggester
	*scheduler.Scheduler
	Config Config // as passed to New
}

// New returns a worker.
func New(cfg Config) *Worker {
	d := dial.New(dial.Config{Store: cfg.Store, Allow: cfg.Allow, Budget: cfg.Budget, Throttled: cfg.Throttled, RetryBudget: cfg.RetryBudget, Memory: cfg.Memory})
	queue := dispatch.New(cfg.Store, cfg.Queue, cfg.Log)
	runs := run.New(run.Config{
		Store: cfg.Store, Dispatch: queue, TenantRuns: cfg.TenantRuns, MinSlice: cfg.MinSlice, KeepRuns: cfg.Keep.Runs, Log: cfg.Log,
	})
	return &Worker{
		Config:    cfg,
		Engine:    engine.New(engine.Config{Store: cfg.Store, Dial: d, Dispatch: queue, Log: cfg.Log}),
		Importer:  importer.New(cfg.Store, d, runs),
		Mapper:    mapper.New(cfg.Store, d, runs),
		Resyncer:  resync.New(cfg.Store, d, runs),
		Suggester: suggest.New(cfg.Store, d, runs, cmp.Or(cfg.Suggesting, 10)),
		Scheduler: scheduler.New(scheduler.Config{
			Store: cfg.Store, Dispatch: queue, Keep: cfg.Keep, Spread: cfg.Spread, Now: cfg.Now, Every: cfg.Every, Log: cfg.Log,
		}),
	}
}

// With returns a copy of the worker whose configuration the function change has modified.
func (w *Worker) With(change func(*Config)) *Worker {
	cfg := w.Config
	change(&cfg)
	return New(cfg)
}

// Execute executes a run as the queue does in the run's last attempt.
func (w *Worker) Execute(ctx context.Context, r repo.Run) error {
	switch r.Kind {
	case repo.KindImport:
		return execute(ctx, r, w.Import)
	case repo.KindMap:
		return execute(ctx, r, w.Map)
	case repo.KindUnmap:
		return execute(ctx, r, w.Unmap)
	case repo.KindResync:
		return execute(ctx, r, w.Resync)
	case repo.KindSuggest:
		return execute(ctx, r, w.Suggest)
	}
	return fmt.Errorf("run of kind %s", r.Kind)
}

func execute[A any](ctx context.Context, r repo.Run, f func(context.Context, tasks.Job[A]) (tasks.RunResult, error)) error {
	job := tasks.Job[A]{RunID: repo.Hex(r.ID), Attempt: 1, Final: true, Draining: make(chan struct{})}
	if err := json.Unmarshal(r.Args, &job.Args); err != nil {
		return err
	}
	_, err := f(ctx, job)
	return err
}
