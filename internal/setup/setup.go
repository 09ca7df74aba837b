// Package setup opens the components that both programs share: the store, the queue,
// the request budget and the use cases. It configures them from the environment, which
// no other package reads.
package setup

import (
	"context"
	"crypto/x509"
	"errors"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/bulkhead"
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

// Settings contains the environment and the values parsed from it.
type Settings struct {
	config.Config
	Allow       *halo.Allow
	Roots       *x509.CertPool // nil for the system's authorities
	Authorities int            // number of certificates added from HALOSYNC_CA_FILE
	Proxy       *halo.Proxy    // nil if HALOSYNC_PROXY is not set
	Keys        *secret.Keyset // nil if HALOSYNC_KEYSET is not set
	Redis       tasks.Address  // zero if REDIS_URL is not set
	// IgnoredProxies lists the variables that name a proxy for other programs. They do
	// not apply to calls to Halo. The list is empty if HALOSYNC_PROXY is set.
	IgnoredProxies []string
}

// Read reads and checks the environment. required lists the variables that must be set.
// The error is a [*config.FaultsError] that lists all faults.
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
	if text := set.Config.Proxy.Reveal(); text != "" {
		set.Proxy, err = halo.ParseProxy(text)
		faults.Add("HALOSYNC_PROXY", err)
	} else {
		set.IgnoredProxies = ignoredProxies(getenv)
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

// ignoredProxies returns the names of those usual proxy variables that are set.
func ignoredProxies(getenv func(string) string) (names []string) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if getenv(name) != "" {
			names = append(names, name)
		}
	}
	return names
}

// Options are the settings that differ between the two programs.
type Options struct {
	Version  string
	MaxConns int // maximum number of connections to Postgres; 0 for pgx's default
	// BudgetTimeout limits how long a request waits for the budget. The default is that
	// of package ratelimit.
	BudgetTimeout time.Duration
	// Observe is called for each event of the budget. It may be nil.
	Observe func(ratelimit.Event)
	// ObserveHalo is called after every HTTP attempt. It may be nil.
	ObserveHalo func(halo.Attempt)
	Traces      *traces.Traces // may be nil
	Log         *zap.Logger    // may be nil
}

// Parts are the opened components of a program.
type Parts struct {
	Settings
	Store    *repo.Store
	Dial     *dial.Dialer
	Dispatch *dispatch.Dispatcher
	Engine   *engine.Engine
	// Memory is the budget for what arrives from outside.
	Memory *bulkhead.Memory

	queue *tasks.Client // nil if REDIS_URL is not set
	log   *zap.Logger
	close []func() error
}

// Open opens the components. It does not connect to Postgres or Redis. If REDIS_URL is
// not set, the request budget is local to the process.
func Open(ctx context.Context, set Settings, opts Options) (*Parts, error) {
	p := &Parts{Settings: set, Memory: bulkhead.NewMemory(bulkhead.DefaultMemory), log: opts.Log}
	stored := repo.Options{URL: set.DatabaseURL.Reveal(), Keys: set.Keys, MaxConns: opts.MaxConns}
	if opts.Traces.On() {
		stored.Trace = opts.Traces.Statement
	}
	var err error
	if p.Store, err = repo.Open(ctx, stored); err != nil {
		return nil, &config.FaultsError{Faults: []string{config.DatabaseURL + ": " + err.Error()}}
	}
	budget := ratelimit.Options{Rate: set.RateLimit, MaxWait: opts.BudgetTimeout, Observe: opts.Observe}
	if set.RedisURL.Reveal() != "" {
		p.queue = tasks.NewClient(set.Redis)
		if opts.Traces.On() {
			p.queue.SendHeaders(opts.Traces.Headers)
		}
		budget.Redis = set.Redis.Connect()
		p.close = append(p.close, p.queue.Close, budget.Redis.Close)
	}
	limiter := ratelimit.New(budget)
	calls := dial.Config{
		Store: p.Store, Allow: set.Allow, Roots: set.Roots, Proxy: set.Proxy, UserAgent: "halosync/" + opts.Version,
		Budget: limiter.Wait, Throttled: limiter.Throttled, Observe: opts.ObserveHalo, Memory: p.Memory,
	}
	if opts.Traces.On() {
		calls.Trace = opts.Traces.Halo
	}
	p.Dial = dial.New(calls)
	p.Dispatch = dispatch.New(p.Store, p.queue, opts.Log)
	p.Engine = engine.New(engine.Config{Store: p.Store, Dial: p.Dial, Dispatch: p.Dispatch, Log: opts.Log})
	return p, nil
}

// Bounded returns a store and an engine for callers of many tenants who must not wait for
// each other. They share the connections of p, and p.Close closes them.
func (p *Parts) Bounded(bounds *repo.Bounds) (*repo.Store, *engine.Engine) {
	store := p.Store.Bounded(bounds)
	return store, engine.New(engine.Config{
		Store: store, Dial: p.Dial.WithStore(store), Dispatch: dispatch.New(store, p.queue, p.log), Log: p.log,
	})
}

// Close closes the components.
func (p *Parts) Close() error {
	var err error
	for _, f := range p.close {
		err = errors.Join(err, f())
	}
	p.Store.Close()
	return err
}

// Version returns the version of the program. It is the first of these that is set: the
// argument linked, the module's version, or the revision. If none is set, it is "dev".
func Version(linked string) string {
	if linked != "" {
		return linked
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "dev"
}
