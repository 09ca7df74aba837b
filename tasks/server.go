package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	defaultConcurrency     = 10
	defaultShutdownTimeout = 15 * time.Second
	// taskCheckInterval is how often an idle server checks for tasks. asynq's default
	// of one second is too long for a person to wait.
	taskCheckInterval = 200 * time.Millisecond
	// backgroundCheckInterval replaces taskCheckInterval if interactive tasks have
	// their own slots. These checks are most of the work of an idle worker.
	backgroundCheckInterval = 500 * time.Millisecond
	// delayedCheckInterval is how often the server checks for delayed tasks that are
	// due.
	delayedCheckInterval = time.Second
	// cleanUpInterval is how often the server deletes expired results.
	cleanUpInterval = 8 * time.Second
	// disabledInterval effectively turns off a check that another asynq server in the
	// same process already does for the same queue.
	disabledInterval = time.Hour
)

// ServerConfig configures a [Server]. Only Redis is required.
type ServerConfig struct {
	// Redis holds the queues. The server opens its own connection pool.
	Redis Address
	// Concurrency is the number of tasks that run at once. The default is 10.
	Concurrency int
	// Interactive is the number of additional slots reserved for [QueueInteractive], so
	// that people do not wait for long runs. The default is 0.
	Interactive int
	// Logger receives one line per execution, and asynq's messages under the name
	// "asynq". The default logs nothing.
	Logger *zap.SugaredLogger
	// ShutdownTimeout is how long [Server.Shutdown] lets handlers finish. After that,
	// it returns their tasks to the queue and cancels their contexts. The default is 15
	// s.
	ShutdownTimeout time.Duration
	// OnReject is called for a task that will be archived before its handler runs, so
	// that OnReject can close the run's record. If it returns an error, the task is
	// retried while attempts are left. It may be nil.
	OnReject func(context.Context, Rejected) error
	// Observe is called at the end of each execution, for metrics. It may be nil.
	Observe func(Done)
	// Trace is called before each execution and returns the handler's context. It may
	// be nil.
	Trace func(context.Context, Execution) (context.Context, Span)
}

// Execution describes an execution of a task that is about to begin.
type Execution struct {
	Kind    string
	Queue   string
	RunID   string
	Attempt int
	Headers map[string]string // from [Client.SendHeaders]; may be nil
}

// Span is the trace span of an execution.
type Span struct {
	TraceID string // for the log; may be empty
	End     func(Done)
}

// Rejected is a task that ends before its handler runs. Either its payload is invalid,
// or worker crashes have used up its attempts.
type Rejected struct {
	Kind    string
	RunID   string
	Tenant  string // empty if the payload does not contain it
	Payload string // the first 200 bytes
	Err     error
}

// Done describes an execution that has ended.
type Done struct {
	Kind     string // "other" for a kind without a handler in this server, and for a broken task
	Queue    string
	RunID    string
	Attempt  int
	Duration time.Duration
	Verdict  Verdict
	Tenant   string // empty if the payload does not contain it
	// Connection is the id of the run's connection, or empty if the payload does not
	// contain it.
	Connection string
	Err        error // nil if and only if the verdict is [VerdictDone]
}

// Server takes tasks from the queues and passes them to handlers, one per kind.
//
// It adds the following to asynq:
//   - It decodes payloads strictly. It archives a task with an invalid payload and
//     reports it to OnReject.
//   - Handlers can return [Later] and [Never]. A Later uses up no attempt, even if the
//     handler returns it in the last attempt.
//   - Handlers are notified early of a shutdown, so that they can finish a page.
//   - If Redis does not accept a result at once, it tries to write the result again. It
//     does not execute a task again whose result is stored. asynq v0.25 and v0.26 retry
//     a lost "done" with a cancelled context, so the task would run again two minutes
//     later.
//   - It removes tasks that asynq can neither execute nor end, because their messages
//     cannot be decoded or name another task. asynq would keep such tasks active for
//     good and would no longer recover the tasks of crashed workers.
//
// It logs one line per execution, without the payload.
type Server struct {
	cfg       ServerConfig
	log       *zap.SugaredLogger
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
	queues    []*asynq.Server // one for all queues, and optionally one for interactive tasks only
	kinds     map[string]runner

	draining chan struct{}
	drain    sync.Once
	// Each execution holds a read lock on inFlight. Shutdown waits for these locks, and
	// therefore also for handlers that ignore their context. asynq does not wait for such
	// handlers.
	inFlight sync.RWMutex
	sweeping sync.WaitGroup // goroutines of sweep

	mu      sync.Mutex
	started bool
}

// NewServer returns a server. Register kinds with [Handle], then call [Server.Start].
// The server has its own Redis client. Call [Server.Shutdown] to close the client, even
// if the server was never started.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Redis.IsZero() {
		return nil, errors.New("queue server: no redis address")
	}
	if cfg.Concurrency < 0 || cfg.Interactive < 0 || cfg.ShutdownTimeout < 0 {
		return nil, errors.New("queue server: negative concurrency or shutdown timeout")
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = defaultConcurrency
	}
	if cfg.ShutdownTimeout == 0 {
		cfg.ShutdownTimeout = defaultShutdownTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop().Sugar()
	}
	rdb := cfg.Redis.Connect()
	main := intervals{taskCheckInterval, delayedCheckInterval, cleanUpInterval}
	if cfg.Interactive > 0 {
		main.check = backgroundCheckInterval
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, rdb: rdb,
		inspector: asynq.NewInspectorFromRedisClient(rdb),
		queues:    []*asynq.Server{newQueueServer(rdb, cfg, cfg.Concurrency, queueWeights(), main)},
		kinds:     map[string]runner{},
		draining:  make(chan struct{}),
	}
	if cfg.Interactive > 0 {
		every := intervals{taskCheckInterval, disabledInterval, disabledInterval}
		s.queues = append(s.queues, newQueueServer(rdb, cfg, cfg.Interactive, map[string]int{QueueInteractive: 1}, every))
	}
	return s, nil
}

// intervals configures how often an idle server checks for pending tasks, for delayed
// tasks that are due, and for expired results.
type intervals struct{ check, delayed, cleanUp time.Duration }

// newQueueServer returns an asynq server. asynq has no limit per queue, so reserved
// slots for one queue need a second server.
func newQueueServer(rdb redis.UniversalClient, cfg ServerConfig, concurrency int, queues map[string]int, every intervals) *asynq.Server {
	return asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency:              concurrency,
		Queues:                   queues,
		TaskCheckInterval:        every.check,
		DelayedTaskCheckInterval: every.delayed,
		JanitorInterval:          every.cleanUp,
		ShutdownTimeout:          cfg.ShutdownTimeout,
		RetryDelayFunc:           retryDelay,
		IsFailure:                isFailure,
		Logger:                   cfg.Logger.Named("asynq"),
	})
}

// Start begins to take tasks and returns. It succeeds even if Redis is unavailable; use
// [Server.Ping] to check.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.draining:
		return errors.New("queue server: start after shutdown")
	default:
	}
	if len(s.kinds) == 0 {
		return errors.New("queue server: no kind has a handler")
	}
	for _, q := range s.queues {
		if err := q.Start(asynq.HandlerFunc(s.process)); err != nil {
			return fmt.Errorf("queue server: %w", err)
		}
	}
	s.started = true
	s.sweeping.Go(s.sweep)
	return nil
}

// Ping checks that Redis answers.
func (s *Server) Ping(ctx context.Context) error { return s.rdb.Ping(ctx).Err() }

// Drain closes [Job].Draining, so that handlers end after their current page. It does
// not wait for the handlers. [Server.Shutdown] calls Drain first.
func (s *Server) Drain() { s.drain.Do(func() { close(s.draining) }) }

// Shutdown stops taking tasks, calls [Server.Drain] and waits for the handlers. After
// ShutdownTimeout it returns the tasks of unfinished handlers to the queue. Once every
// handler has returned, it closes the connections and returns. If ctx ends first,
// Shutdown returns ctx's error and continues in the background. It is safe to call
// Shutdown again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.mu.Lock()
		defer s.mu.Unlock()
		var stopping sync.WaitGroup
		for _, q := range s.queues { // each shutdown may take ShutdownTimeout
			stopping.Go(func() {
				q.Stop()
				q.Shutdown()
			})
		}
		stopping.Wait()
		s.inFlight.Lock()
		//nolint:staticcheck // SA2001: the lock waits for all executions
		s.inFlight.Unlock()
		s.sweeping.Wait()
		_ = s.rdb.Close() // fails only if already closed
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("queue server: shutdown: %w", ctx.Err())
	}
}

// register adds a kind. It panics on a programming error: an incomplete kind, a call
// after Start, or a name that is a prefix of another.
func (s *Server) register(name string, fault error, run runner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case fault != nil:
		panic("tasks: " + fault.Error())
	case s.started:
		panic(fmt.Sprintf("tasks: kind %q: registered after the start", name))
	}
	for other := range s.kinds {
		if strings.HasPrefix(name, other) || strings.HasPrefix(other, name) {
			panic(fmt.Sprintf("tasks: kind %q: %q is already registered", name, other))
		}
	}
	s.kinds[name] = run
}
