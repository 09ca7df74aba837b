package cli

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// patience is how long a command waits for its turn at Halo. A person can end
// it at any time.
const patience = 10 * time.Minute

// maxConns is how many connections to Postgres a command uses, at most.
const maxConns = 4

// parts is what a command works with.
type parts struct {
	tenant string
	store  *repo.Store
	queue  *tasks.Client // nil for a command that enqueues nothing
	engine *engine.Engine
}

// with opens what the environment names and calls f. required lists the
// variables that the command needs; all faults are reported at once.
func (a *app) with(ctx context.Context, required []string, f func(context.Context, parts) error) (err error) {
	set, err := setup.Read(a.getenv, required...)
	tenant, terr := a.needTenant()
	if err := errors.Join(err, terr); err != nil {
		return err
	}
	ctx, trace, endTrace, err := a.trace(ctx)
	if err != nil {
		return err
	}
	defer func() { endTrace(err) }()
	opened, err := setup.Open(ctx, set, setup.Options{Version: a.version, MaxConns: maxConns, Patience: patience, Traces: trace})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if err := opened.Store.Ready(ctx); err != nil {
		return err
	}
	return f(ctx, parts{tenant: tenant, store: opened.Store, queue: opened.Queue, engine: opened.Engine})
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

// What commands need of the environment.
var (
	needStore = []string{config.DatabaseURL}
	needHalo  = []string{config.DatabaseURL, config.Keyset}
	needQueue = []string{config.DatabaseURL, config.RedisURL}
)
