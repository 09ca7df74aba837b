// Package setup turns the environment into the parts that both programs work
// with: the store, the queue, the request budget and the use cases. Nothing else reads
// the environment.
package setup

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/traces"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Settings is the environment and what was parsed from it.
type Settings struct {
	config.Config
	Allow       *halo.Allow
	Roots       *x509.CertPool // nil: the system's
	Authorities int            // certificates that HALOSYNC_CA_FILE added to Roots
	Keys        *secret.Keyset // nil without HALOSYNC_KEYSET
	Redis       tasks.Address  // the zero value without REDIS_URL
}

// Read reads and checks the environment. required names the variables that the
// command cannot do without. The error is a [*config.FaultsError] with all faults.
func Read(getenv func(string) string, required ...string) (Settings, error) {
	var set Settings
	var err error
	faults := &config.FaultsError{}
	if set.Config, err = config.Load(getenv, required...); err != nil && !errors.As(err, &faults) {
		return set, err
	}
	set.Allow, err = halo.ParseAllow(set.AllowHosts)
	faults.Add("HALOSYNC_ALLOW_HOSTS", err)
	if set.CAFile != "" {
		set.Roots, set.Authorities, err = halo.LoadRoots(set.CAFile)
		faults.Add("HALOSYNC_CA_FILE", err)
	}
	if text := set.Keyset.Reveal(); text != "" {
		set.Keys, err = secret.Parse(text)
		faults.Add(config.Keyset, err)
	}
	if text := set.RedisURL.Reveal(); text != "" {
		set.Redis, err = tasks.ParseAddress(text)
		faults.Add(config.RedisURL, err)
	}
	return set, faults.Err()
}

// Options are what the two programs want of their parts in different ways.
type Options struct {
	Version  string
	MaxConns int // to Postgres; 0: pgx's default
	// Patience is how long a request waits for the budget, at most; default
	// ratelimit's.
	Patience time.Duration
	// Observe is called with what the budget decides. May be nil.
	Observe func(ratelimit.Event)
	// ObserveHalo is called after every HTTP attempt. May be nil.
	ObserveHalo func(halo.Attempt)
	Traces      *traces.Traces // nil: none
	Log         *zap.Logger    // nil: none
}

// Parts are opened; [Parts.Close] closes them.
type Parts struct {
	Settings
	Store    *repo.Store
	Queue    *tasks.Client // nil without REDIS_URL
	Dial     *dial.Dialer
	Dispatch *dispatch.Dispatcher
	Engine   *engine.Engine

	close []func() error
}

// Open opens the parts that the settings name. It does not connect to Postgres or
// Redis yet. Without REDIS_URL the budget is the process's own.
func Open(ctx context.Context, set Settings, opts Options) (*Parts, error) {
	p := &Parts{Settings: set}
	stored := repo.Options{URL: set.DatabaseURL.Reveal(), Keys: set.Keys, MaxConns: opts.MaxConns}
	if opts.Traces.On() {
		stored.Trace = opts.Traces.Statement
	}
	var err error
	if p.Store, err = repo.Open(ctx, stored); err != nil {
		return nil, &config.FaultsError{Faults: []string{config.DatabaseURL + ": " + err.Error()}}
	}
	budget := ratelimit.Options{Rate: set.RateLimit, Patience: opts.Patience, Observe: opts.Observe}
	if set.RedisURL.Reveal() != "" {
		p.Queue = tasks.NewClient(set.Redis)
		if opts.Traces.On() {
			p.Queue.SendHeaders(opts.Traces.Headers)
		}
		budget.Redis = set.Redis.Connect()
		p.close = append(p.close, p.Queue.Close, budget.Redis.Close)
	}
	limiter := ratelimit.New(budget)
	calls := dial.Config{
		Store: p.Store, Allow: set.Allow, Roots: set.Roots, UserAgent: "halosync/" + opts.Version,
		Budget: limiter.Wait, Throttled: limiter.Throttled, Observe: opts.ObserveHalo,
	}
	if opts.Traces.On() {
		calls.Trace = opts.Traces.Halo
	}
	p.Dial = dial.New(calls)
	p.Dispatch = dispatch.New(p.Store, p.Queue, opts.Log)
	p.Engine = engine.New(engine.Config{Store: p.Store, Dial: p.Dial, Dispatch: p.Dispatch, Log: opts.Log})
	return p, nil
}

// Close closes what [Open] opened.
func (p *Parts) Close() error {
	var err error
	for _, f := range p.close {
		err = errors.Join(err, f())
	}
	p.Store.Close()
	return err
}
