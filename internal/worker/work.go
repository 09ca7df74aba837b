package worker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // schedules use time zones, and some machines have no time zone database

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/importer"
	"github.com/halosync/halosync/internal/mapper"
	"github.com/halosync/halosync/internal/queuemon"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/resync"
	"github.com/halosync/halosync/internal/run"
	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/internal/scheduler"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/internal/suggest"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// shutdownTimeout limits how long a stopping worker waits for current pages. The rest
// of the shutdown takes up to 4 s, so the total stays below the documented 20 s even on
// a busy machine.
const shutdownTimeout = 12 * time.Second

// startTimeout limits the duration of the checks at startup.
const startTimeout = 30 * time.Second

// interactive returns the number of slots for short runs for which a person is waiting.
// These slots are in addition to HALOSYNC_CONCURRENCY.
func interactive(concurrency int) int { return max(2, concurrency/5) }

// suggesting returns the number of runs that compute suggestions at the same time. They
// take at most half of the slots, because they do not give them up for others. A worker
// with a single slot uses it for any run.
func suggesting(concurrency int) int { return max(1, concurrency/2) }

// work runs a worker until ctx ends. With onlyHTTP it serves HTTP and executes no runs.
func (p *program) work(ctx context.Context, onlyHTTP bool) (err error) {
	set, err := readSettings(p.getenv)
	if err != nil {
		return err
	}
	if onlyHTTP && set.HTTPAddr == "off" {
		return &config.FaultsError{Faults: []string{"HALOSYNC_HTTP_ADDR is off: --only http needs an address"}}
	}
	cfg := set.Config
	log, level, err := telemetry.NewLogger(p.err, cfg.LogFormat, cfg.LogLevel)
	if err != nil {
		return err
	}
	log = log.With(zap.String("version", p.version))
	defer func() { _ = log.Sync() }() // some outputs do not support Sync
	defer switchLevel(level, log)()
	trace, err := p.newSpans(ctx, log)
	if err != nil {
		return err
	}
	defer trace.close(ctx)
	tasks.LogRedis(log.Sugar())
	log.Debug("settings", zap.Any("settings", cfg)) // secrets are redacted

	metrics := telemetry.NewMetrics(p.version)
	opened, err := setup.Open(ctx, set.Settings, setup.Options{
		Version: p.version, MaxConns: cfg.Concurrency + interactive(cfg.Concurrency) + 4 + forHTTP, Traces: trace.Traces, Log: log,
		Observe: observeBudget(metrics, log), ObserveHalo: observeHalo(metrics),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	store := opened.Store
	queues, err := queuemon.New(queuemon.Config{Redis: set.Redis, Writable: cfg.QueuesWritable, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queues.Close()) }()
	server, bulkheads, err := newServer(set, opened, metrics, trace, log)
	if err != nil {
		return err
	}
	if err := ready(ctx, opened, server, log); err != nil {
		return errors.Join(err, shutdown(ctx, server))
	}

	clock := scheduler.New(scheduler.Config{
		Store: store, Dispatch: opened.Dispatch, Schedule: cfg.ResyncCron, Spread: cfg.ResyncSpread, Keep: keep(cfg), Removed: observeRemoved(metrics), Log: log,
		SecurityEvent: observeSecurity(metrics, log),
	})
	listening, shared, err := listen(ctx, set, metrics, opened, server, queues, log)
	if err != nil {
		return errors.Join(err, shutdown(ctx, server))
	}
	shared.bulkheads = append(shared.bulkheads, bulkheads...)
	watch(metrics, clock, store, server, shared)
	stopClock, lost := func() {}, make(chan error, 1)
	if !onlyHTTP {
		if err := server.Start(); err != nil {
			return errors.Join(err, shutdown(ctx, server))
		}
		stopClock = startClock(ctx, clock, metrics, lost)
	}
	if set.ByPort() {
		log.Info("listening on every interface, because PORT is set and HALOSYNC_HTTP_ADDR is not", zap.String("http", listenAddr(listening.main)))
	}
	if set.Authorities > 0 {
		log.Info("HALOSYNC_CA_FILE read", zap.Int("certificates", set.Authorities))
	}
	if set.Proxy != nil {
		log.Info("calls to Halo use a proxy", zap.Stringer("proxy", set.Proxy))
	}
	if len(set.IgnoredProxies) > 0 {
		log.Warn("proxy of the environment ignored for calls to Halo, set HALOSYNC_PROXY to use one", zap.Strings("variables", set.IgnoredProxies))
	}
	log.Info("worker started", zap.Int("concurrency", cfg.Concurrency), zap.Int("interactive", interactive(cfg.Concurrency)), zap.String("http", listenAddr(listening.main)), zap.String("metrics", listenAddr(listening.metrics)), zap.Bool("only_http", onlyHTTP))
	select {
	case <-ctx.Done():
		server.Drain() // drain before stopping the clock, whose tick may be waiting for Postgres
		log.Info("stopping, finishing the current pages")
	case err = <-failed(listening.main):
		log.Error("stopping", zap.Error(err))
	case err = <-failed(listening.metrics):
		log.Error("stopping", zap.Error(err))
	case err = <-lost:
		log.Error("stopping", zap.Error(err))
	}
	stopClock()
	err = errors.Join(err, shutdown(ctx, server), listening.close(ctx))
	log.Info("worker stopped")
	return err
}

// keep returns the retention periods for history.
func keep(cfg config.Config) scheduler.Retention {
	return scheduler.Retention{Runs: cfg.KeepRuns.Duration(), Events: cfg.KeepEvents.Duration(), Clients: cfg.KeepClients.Duration()}
}

// observeBudget returns a function that counts and logs the events of the request
// budget.
func observeBudget(metrics *telemetry.Metrics, log *zap.Logger) func(ratelimit.Event) {
	return func(e ratelimit.Event) {
		switch e.Kind {
		case ratelimit.Granted:
			metrics.BudgetGranted(e.Class.String(), e.Wait, e.Local)
		case ratelimit.Refused:
			metrics.BudgetRefused(e.Class.String())
		case ratelimit.Throttled:
			metrics.BudgetThrottled()
		case ratelimit.Lowered:
			log.Warn("throttled by Halo, all requests pause and the limit is lowered")
		case ratelimit.Lost:
			log.Warn("redis failed, using a local share of the request budget", zap.Error(e.Err))
		case ratelimit.Back:
			log.Info("request budget shared through redis again")
		}
	}
}

// startClock starts the scheduled jobs. It sends an error to lost if another installation
// takes over Redis. Call stop to end the jobs.
func startClock(ctx context.Context, clock *scheduler.Scheduler, metrics *telemetry.Metrics, lost chan<- error) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		clock.Serve(ctx, func(t scheduler.Ticked) {
			metrics.Tick(t.Late, t.Locked, t.Scheduled, t.Missed, t.Dispatched)
			if other, ok := errors.AsType[*tasks.OtherInstallationError](t.Err); ok {
				select {
				case lost <- fmt.Errorf("redis: %w", other):
				default: // the worker is stopping already
				}
			}
		})
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// shutdown stops the server within the documented 20 s.
func shutdown(ctx context.Context, server *tasks.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout+2*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

// settings holds a worker's environment.
type settings struct {
	setup.Settings
	signin  []secret.String // from HALOSYNC_SIGNIN_SECRET
	embed   []string        // from HALOSYNC_EMBED_ORIGINS
	public  string          // from HALOSYNC_PUBLIC_URL
	proxies []netip.Prefix  // from HALOSYNC_TRUSTED_PROXIES
}

// readSettings reads and checks the environment. The error reports all faults at once.
func readSettings(getenv func(string) string) (set settings, err error) {
	faults := &config.FaultsError{}
	if set.Settings, err = setup.Read(getenv, config.DatabaseURL, config.RedisURL, config.Keyset); err != nil && !errors.As(err, &faults) {
		return set, err
	}
	set.signin, err = access.ParseSecrets(set.SigninSecret)
	faults.Add("HALOSYNC_SIGNIN_SECRET", err)
	set.embed, err = access.ParseOrigins(set.EmbedOrigins)
	faults.Add("HALOSYNC_EMBED_ORIGINS", err)
	set.public, err = access.ParsePublicURL(set.PublicURL)
	faults.Add("HALOSYNC_PUBLIC_URL", err)
	set.proxies, err = access.ParseProxies(set.TrustedProxies)
	faults.Add("HALOSYNC_TRUSTED_PROXIES", err)
	if set.ResyncCron != "" {
		_, err = schedule.Parse(set.ResyncCron)
		faults.Add("HALOSYNC_RESYNC_CRON", err)
	}
	return set, faults.Err()
}

// newServer returns the server that takes tasks from the queue and calls the use cases, and
// the limits of the use cases.
func newServer(set settings, p *setup.Parts, metrics *telemetry.Metrics, trace spans, log *zap.Logger) (*tasks.Server, []*bulkhead.Bulkhead, error) {
	runs := run.New(run.Config{
		Store: p.Store, Dispatch: p.Dispatch, TenantRuns: set.TenantRuns, KeepRuns: set.KeepRuns.Duration(), Log: log,
		Ended: func(r run.Ended) { metrics.RunEnded(string(r.Kind), string(r.State), r.Took) },
		Wrote: func(kind repo.RunKind, pages, records int) { metrics.Wrote(string(kind), pages, records) },
	})
	maps := mapper.New(p.Store, p.Dial, runs)
	server, err := tasks.NewServer(tasks.ServerConfig{
		Redis: set.Redis, Concurrency: set.Concurrency, Interactive: interactive(set.Concurrency), ShutdownTimeout: shutdownTimeout,
		Logger:   log.Sugar(),
		Observe:  func(d tasks.Done) { metrics.TaskDone(d.Kind, string(d.Verdict), d.Duration) },
		OnReject: runs.Rejected,
		Trace:    trace.tasks(),
	})
	if err != nil {
		return nil, nil, err
	}
	suggester := suggest.New(p.Store, p.Dial, runs, suggesting(set.Concurrency))
	tasks.Handle(server, tasks.Import(), importer.New(p.Store, p.Dial, runs).Import)
	tasks.Handle(server, tasks.Map(), maps.Map)
	tasks.Handle(server, tasks.Unmap(), maps.Unmap)
	tasks.Handle(server, tasks.Resync(), resync.New(p.Store, p.Dial, runs).Resync)
	tasks.Handle(server, tasks.Suggest(), suggester.Suggest)
	return server, suggester.Bulkheads(), nil
}

// ready checks Postgres and Redis at startup. Better a clear error at deployment than a
// queue that is emptied into failures. It also claims Redis for this installation.
func ready(ctx context.Context, p *setup.Parts, server *tasks.Server, log *zap.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dbErr := p.Store.Ready(ctx)
	if dbErr == nil {
		dbErr = checkRole(ctx, p.Store, log)
	}
	if dbErr != nil {
		dbErr = fmt.Errorf("postgres: %w", dbErr)
	}
	warnings, redisErr := server.Check(ctx)
	if dbErr == nil && redisErr == nil {
		redisErr = p.Dispatch.Claim(ctx)
	}
	if redisErr != nil {
		redisErr = fmt.Errorf("redis: %w", redisErr)
	}
	for _, w := range warnings {
		log.Warn("redis: " + w)
	}
	return errors.Join(dbErr, redisErr)
}

// checkRole returns an error if the Postgres role lacks a right. It logs a warning if the
// role has more rights than a worker needs, or if row level security does not apply to it.
func checkRole(ctx context.Context, store *repo.Store, log *zap.Logger) error {
	role, err := store.Role(ctx)
	if err != nil {
		return err
	}
	if len(role.Missing) > 0 {
		return fmt.Errorf("role %q lacks %s: run \"worker migrate --grant-to %s\" as the owner of the tables",
			role.Name, strings.Join(role.Missing, ", "), role.Name)
	}
	if !role.RowSecurity {
		log.Warn("postgres role bypasses row level security; use a weaker role (worker migrate --grant-to)", zap.String("role", role.Name))
	}
	if len(role.Excess) > 0 {
		log.Warn("postgres role has more rights than a worker needs; revoke them (worker migrate --grant-to)",
			zap.String("role", role.Name), zap.Strings("rights", role.Excess))
	}
	return nil
}
