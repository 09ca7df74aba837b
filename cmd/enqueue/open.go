package main

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// patience is how long a command waits for its turn at Halo. A person can end
// it at any time.
const patience = 10 * time.Minute

// parts is what a command works with; a part it did not ask for is nil.
type parts struct {
	tenant string
	store  *repo.Store
	queue  *tasks.Client
	engine *engine.Engine
}

// with opens what the environment names and calls f. required lists the
// variables that the command needs; all that are missing are named at once.
func (a *app) with(ctx context.Context, required []string, f func(context.Context, parts) error) (err error) {
	var faults *config.FaultsError
	cfg, err := config.Load(a.getenv, required...)
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	tenant, terr := a.needTenant()
	if err := errors.Join(err, terr); err != nil {
		return err
	}
	allow, err := halo.ParseAllow(cfg.AllowHosts)
	if err != nil {
		return usagef("HALOSYNC_ALLOW_HOSTS: %v", err)
	}
	var roots *x509.CertPool
	if cfg.CAFile != "" {
		if roots, _, err = halo.LoadRoots(cfg.CAFile); err != nil {
			return usagef("HALOSYNC_CA_FILE: %v", err)
		}
	}

	p := parts{tenant: tenant}
	budget := ratelimit.Options{Rate: cfg.RateLimit, Patience: patience}
	keys, err := keysOf(cfg)
	if err != nil {
		return err
	}
	ctx, trace, endTrace, err := a.trace(ctx)
	if err != nil {
		return err
	}
	defer func() { endTrace(err) }()
	options := repo.Options{URL: cfg.DatabaseURL.Reveal(), Keys: keys, MaxConns: 4}
	if trace.On() {
		options.Trace = trace.Statement
	}
	if p.store, err = repo.Open(ctx, options); err != nil {
		return err
	}
	defer p.store.Close()
	if err := p.store.Ready(ctx); err != nil {
		return err
	}
	if cfg.RedisURL.Reveal() != "" {
		tasks.LogRedis(zap.NewNop().Sugar()) // the error that comes of it says enough
		address, aerr := tasks.ParseAddress(cfg.RedisURL.Reveal())
		if aerr != nil {
			return usagef("REDIS_URL: %v", aerr)
		}
		p.queue = tasks.NewClient(address)
		if trace.On() {
			p.queue.SendHeaders(trace.Headers)
		}
		defer func() { err = errors.Join(err, p.queue.Close()) }()
		budget.Redis = address.Connect()
		defer func() { err = errors.Join(err, budget.Redis.Close()) }()
	}
	limiter := ratelimit.New(budget)
	use := engine.Config{
		Store: p.store, Queue: p.queue, Allow: allow, Roots: roots,
		Budget: limiter.Wait, Throttled: limiter.Throttled, UserAgent: "halosync/" + version,
	}
	if trace.On() {
		use.Trace = trace.Halo
	}
	p.engine = engine.New(use)
	return f(ctx, p)
}

// onlyOf turns a --connection flag that narrows a listing into an id; nil if
// the flag was not given.
func (p parts) onlyOf(ctx context.Context, connection string) (*uuid.UUID, error) {
	if connection == "" {
		return nil, nil //nolint:nilnil // a filter that is not there
	}
	conn, err := p.engine.FindConnection(ctx, p.tenant, connection)
	return &conn.ID, err
}

// keysOf reads the key set, if there is one.
func keysOf(cfg config.Config) (*secret.Keyset, error) {
	if cfg.Keyset.Reveal() == "" {
		return nil, nil //nolint:nilnil // commands that open no credentials need none
	}
	keys, err := secret.Parse(cfg.Keyset.Reveal())
	if err != nil {
		return nil, usagef("HALOSYNC_KEYSET: %v", err)
	}
	return keys, nil
}

// What commands need of the environment.
var (
	needStore = []string{config.DatabaseURL}
	needHalo  = []string{config.DatabaseURL, config.Keyset}
	needQueue = []string{config.DatabaseURL, config.RedisURL}
)
