package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/internal/traces"
	"github.com/halosync/halosync/repo"
)

// budgetTimeout limits how long a command waits for Halo's request budget. A person can
// interrupt the command at any time.
const budgetTimeout = 10 * time.Minute

// maxConns is the maximum number of connections that a command opens to Postgres.
const maxConns = 4

// parts contains what a command has opened.
type parts struct {
	tenant string
	store  *repo.Store
	engine *engine.Engine
}

// with opens the parts that the environment configures and calls f. The slice required
// lists the variables that the command needs. The error reports all faults together.
func (a *app) with(ctx context.Context, required []string, f func(context.Context, parts) error) error {
	tenant, err := a.needTenant()
	return a.open(ctx, required, tenant, err, f)
}

// withStore opens only the store, for a command that serves one tenant, or all tenants of
// the installation if all is set.
func (a *app) withStore(ctx context.Context, all bool, f func(context.Context, parts) error) error {
	if all {
		return a.open(ctx, needStore, "", nil, f)
	}
	return a.with(ctx, needStore, f)
}

// open opens the parts for a tenant and calls f. The argument terr is the error from
// determining the tenant.
func (a *app) open(ctx context.Context, required []string, tenant string, terr error, f func(context.Context, parts) error) (err error) {
	set, err := setup.Read(a.getenv, required...)
	if err := errors.Join(err, terr); err != nil {
		return err
	}
	a.shared = set.SharedFiles()
	if len(set.IgnoredProxies) > 0 && slices.Contains(required, config.Keyset) { // the command may call Halo
		fmt.Fprintf(a.Err, "enqueue: %s: ignored for calls to Halo; if they need a proxy, set HALOSYNC_PROXY\n", strings.Join(set.IgnoredProxies, ", "))
	}
	ctx, trace, endTrace, err := a.trace(ctx)
	if err != nil {
		return err
	}
	defer func() { endTrace(err) }()
	opened, err := setup.Open(ctx, set, setup.Options{Version: a.version, MaxConns: maxConns, BudgetTimeout: budgetTimeout, Traces: trace})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if err := opened.Store.Ready(ctx); err != nil {
		return err
	}
	return f(ctx, parts{tenant: tenant, store: opened.Store, engine: opened.Engine})
}

// onlyOf returns the id of the connection that a listing is restricted to, or nil if
// connection is empty.
func (p parts) onlyOf(ctx context.Context, connection string) (*uuid.UUID, error) {
	if connection == "" {
		return nil, nil //nolint:nilnil // no filter
	}
	conn, err := p.engine.FindConnection(ctx, p.tenant, connection)
	return &conn.ID, err
}

// Variables that commands require.
var (
	needStore = []string{config.DatabaseURL}
	needHalo  = []string{config.DatabaseURL, config.Keyset}
	needQueue = []string{config.DatabaseURL, config.RedisURL}
)

// trace starts a trace of the command if the environment configures a collector. The
// command reports a failed export but does not fail because of it.
func (a *app) trace(ctx context.Context) (_ context.Context, t *traces.Traces, end func(error), err error) {
	failed := func(err error) { fmt.Fprintln(a.Err, "enqueue: "+plaintext.PrintableLines(err.Error())) }
	t, err = traces.New(ctx, a.getenv, "halosync-enqueue", a.version, failed)
	if err != nil {
		return ctx, nil, nil, &config.FaultsError{Faults: []string{err.Error()}}
	}
	if !t.On() {
		return ctx, nil, func(error) {}, nil
	}
	ctx, finish := t.Command(ctx, a.command)
	return ctx, t, func(err error) {
		finish(err)
		if err := t.Close(ctx); err != nil {
			failed(err)
		}
	}, nil
}
