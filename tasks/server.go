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
	// taskCheckInterval is how often an idle server looks for work. asynq's
	// second would make people wait.
	taskCheckInterval = 200 * time.Millisecond
	// backgroundCheckInterval is the same where what people wait for has slots of
	// its own: looking is most of what an idle worker does.
	backgroundCheckInterval = 500 * time.Millisecond
	// delayedCheckInterval is how often tasks that are put off are looked at.
	delayedCheckInterval = time.Second
	// cleanUpInterval is how often results whose time is over are removed.
	cleanUpInterval = 8 * time.Second
	// elsewhere is the interval of what another of asynq's servers in the same
	// process does for the same queue.
	elsewhere = time.Hour
)

// ServerConfig says how a server works. Only Redis must be set.
type ServerConfig struct {
	// Redis is where the queues are; the server opens a connection pool of its
	// own.
	Redis Address
	// Concurrency is how many tasks run at once. Default 10.
	Concurrency int
	// Interactive is how many more tasks run at once that only
	// [QueueInteractive] may fill, so that a person does not wait for long runs
	// of others. Default none.
	Interactive int
	// Logger gets one line per execution, and asynq's own lines under the name
	// "asynq". Default none.
	Logger *zap.SugaredLogger
	// ShutdownTimeout is how long [Server.Shutdown] lets handlers finish before
	// their tasks are handed back and their contexts cancelled. Default 15 s.
	ShutdownTimeout time.Duration
	// OnReject is called for a task that is archived without its handler having
	// run, so that the run's record can be closed. An error makes the task come
	// again for as long as it has attempts. May be nil.
	OnReject func(context.Context, Rejected) error
	// Observe is called at the end of each execution, for metrics. May be nil.
	Observe func(Done)
	// Trace is told of each execution before it begins; the context that it
	// returns is the handler's. May be nil.
	Trace func(context.Context, Execution) (context.Context, Span)
}

// Execution is one execution of a task that is about to begin.
type Execution struct {
	Kind    string
	Queue   string
	RunID   string
	Attempt int
	Headers map[string]string // from [Client.SendHeaders]; nil if there are none
}

// Span is how an execution is traced.
type Span struct {
	TraceID string // for the log; may be empty
	End     func(Done)
}

// Rejected is a task that no handler gets to see: its payload is not what the
// kind takes, or its attempts were used up by workers that died.
type Rejected struct {
	Kind    string
	RunID   string
	Tenant  string // empty if the payload does not tell
	Payload string // its beginning, at most 200 bytes
	Err     error
}

// Done is one execution of a task that is over.
type Done struct {
	Kind     string // "other" for a kind that this server has no handler for
	Queue    string
	RunID    string
	Attempt  int
	Duration time.Duration
	Verdict  Verdict
	Tenant   string // empty if the payload does not tell, as Connection
	// Connection is the id of the connection that the run is about.
	Connection string
	Err        error // nil if and only if the verdict is [VerdictDone]
}

// Server takes tasks from the queues and gives them to handlers, one per kind.
//
// It adds to asynq:
//   - payloads are decoded strictly; a wrong one is archived, and told
//   - handlers say [Later] and [Never], and a Later costs no attempt even when
//     only the last one is left
//   - handlers learn that the server stops while there is time to finish a page
//   - a result that Redis does not take at once is offered for a while, and a
//     task whose result is stored already is not executed again: asynq's own
//     repeat of a lost "done" never succeeds, because its context is cancelled
//     by then (v0.25 and v0.26), so the task would run again two minutes later
//
// It logs one line per execution and no payload.
type Server struct {
	cfg       ServerConfig
	log       *zap.SugaredLogger
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
	queues    []*asynq.Server // for all queues; perhaps one more for interactive alone
	kinds     map[string]runner

	draining chan struct{}
	drain    sync.Once
	// inFlight is read-locked by each execution. asynq forgets a handler that
	// ignores its context; Shutdown does not.
	inFlight sync.RWMutex

	mu      sync.Mutex
	started bool
}

// NewServer makes a server that does nothing yet: [Handle] registers kinds,
// then [Server.Start] begins to work. It has a Redis client of its own, which
// [Server.Shutdown] closes, started or not.
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
	main := pace{taskCheckInterval, delayedCheckInterval, cleanUpInterval}
	if cfg.Interactive > 0 {
		main.look = backgroundCheckInterval
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, rdb: rdb,
		inspector: asynq.NewInspectorFromRedisClient(rdb),
		queues:    []*asynq.Server{newQueueServer(rdb, cfg, cfg.Concurrency, queueWeights(), main)},
		kinds:     map[string]runner{},
		draining:  make(chan struct{}),
	}
	if cfg.Interactive > 0 {
		s.queues = append(s.queues, newQueueServer(rdb, cfg, cfg.Interactive, map[string]int{QueueInteractive: 1}, pace{taskCheckInterval, elsewhere, elsewhere}))
	}
	return s, nil
}

// pace is how often an idle server looks for work, for tasks that were put off
// and are due, and for results to be removed.
type pace struct{ look, delayed, cleanUp time.Duration }

// newQueueServer makes one of asynq's servers: it has no limit for each queue,
// so slots for one of them alone take a server of their own.
func newQueueServer(rdb redis.UniversalClient, cfg ServerConfig, concurrency int, queues map[string]int, p pace) *asynq.Server {
	return asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency:              concurrency,
		Queues:                   queues,
		TaskCheckInterval:        p.look,
		DelayedTaskCheckInterval: p.delayed,
		JanitorInterval:          p.cleanUp,
		ShutdownTimeout:          cfg.ShutdownTimeout,
		RetryDelayFunc:           retryDelay,
		IsFailure:                isFailure,
		Logger:                   cfg.Logger.Named("asynq"),
	})
}

// Start begins to work and returns. It does not need Redis to be there yet;
// [Server.Ping] says whether it is.
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
	return nil
}

// Ping asks Redis for a sign of life.
func (s *Server) Ping(ctx context.Context) error { return s.rdb.Ping(ctx).Err() }

// Drain tells the handlers ([Job].Draining) that the server is about to shut down, so
// that they end at their next boundary. It does not wait for them. [Server.Shutdown]
// does the same first.
func (s *Server) Drain() { s.drain.Do(func() { close(s.draining) }) }

// Shutdown stops taking work, tells the handlers ([Job].Draining), waits for
// them, hands back what is left after ShutdownTimeout and closes the
// connections. It returns when every handler has, or with ctx's error and the
// rest still going on. Further calls do the same.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.mu.Lock()
		defer s.mu.Unlock()
		var stopping sync.WaitGroup
		for _, q := range s.queues { // each may take ShutdownTimeout
			stopping.Go(func() {
				q.Stop()
				q.Shutdown()
			})
		}
		stopping.Wait()
		s.inFlight.Lock()
		//nolint:staticcheck // SA2001: the lock is there to be waited for
		s.inFlight.Unlock()
		_ = s.rdb.Close() // closed already at a second call
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("queue server: shutdown: %w", ctx.Err())
	}
}

// register adds a kind. It panics on what is a mistake in the program: an
// incomplete kind, a late one, a name that is taken or that a prefix-matching
// mux would confuse with another.
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
			panic(fmt.Sprintf("tasks: kind %q: %q is registered already", name, other))
		}
	}
	s.kinds[name] = run
}
