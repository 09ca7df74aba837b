package engine

import (
	"context"
	"errors"
	"time"

	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// ConnectionChange changes what is not nil.
type ConnectionChange struct {
	Name, Domain, AuthServer, HaloTenant, ClientID, RateLimit *string
	Secret                                                    *secret.String
}

// UpdateConnection changes a connection in place, so that its mappings
// survive. The result is probed as a new connection would be; nothing is
// stored if Halo does not agree. A connection that needed to be reconnected
// is active again. If its mappings may have changed meanwhile, or may now be
// read from elsewhere, a resync is started: the receipt has its run.
func (e *Engine) UpdateConnection(ctx context.Context, tenant, actor, ref string, change ConnectionChange) (repo.Connection, Receipt, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, Receipt{}, err
	}
	broken := conn.State == repo.NeedsReconnect
	if conn, err = e.changeConnection(ctx, tenant, actor, conn, change); err != nil {
		return conn, Receipt{}, err
	}
	if conn.State != repo.Active || conn.Mappings == 0 || !broken && !conn.InstanceUnsure {
		return conn, Receipt{}, nil
	}
	receipt, err := e.RequestResync(ctx, tenant, conn.ID.String(), actor)
	return conn, receipt, err
}

// changeConnection probes and stores a change.
func (e *Engine) changeConnection(ctx context.Context, tenant, actor string, conn repo.Connection, change ConnectionChange) (repo.Connection, error) {
	stored, err := e.store.ConnectionSecret(ctx, tenant, conn.ID)
	if err != nil && change.Secret == nil {
		return conn, dial.CredentialsError(conn, err)
	}
	in, err := e.normalise(change.apply(conn, stored))
	if err != nil {
		return conn, err
	}
	// A stored secret, and the tokens it buys, go to no host but the one they
	// were typed for: else whoever may change an address can collect them.
	if change.Secret == nil && (in.Domain != conn.Domain || in.AuthServer != conn.AuthServer) {
		return conn, usagef("another address needs the client secret anew: the stored one goes only to where it was typed for")
	}
	if err := e.probe(ctx, tenant, in); err != nil {
		return conn, err
	}
	update := repo.ConnectionChange{
		Name: &in.Name, Domain: &in.Domain, AuthServer: &in.AuthServer, HaloTenant: &in.HaloTenant,
		ClientID: &in.ClientID, RateLimit: &in.RateLimit, Secret: change.Secret,
	}
	conn, err = e.store.UpdateConnection(ctx, tenant, actor, conn.ID, update)
	if errors.Is(err, repo.ErrConflict) {
		return conn, conflictf("a connection named %q exists already", in.Name)
	}
	if err != nil || conn.State != repo.NeedsReconnect {
		return conn, err
	}
	return e.IfUnchanged(time.Time{}).setState(ctx, tenant, actor, conn, repo.Active, "") // it was us who changed it
}

// IfUnchanged is the engine for an editor who has seen a connection as it was
// at a time: see [repo.Store.IfUnchanged].
func (e *Engine) IfUnchanged(seen time.Time) *Engine {
	conditional := *e
	conditional.store = e.store.IfUnchanged(seen)
	return &conditional
}

// apply gives the input that a changed connection amounts to.
func (c ConnectionChange) apply(conn repo.Connection, stored secret.String) ConnectionInput {
	in := ConnectionInput{
		Name: conn.Name, Domain: conn.Domain, AuthServer: conn.AuthServer, HaloTenant: conn.HaloTenant,
		ClientID: conn.ClientID, Secret: stored, RateLimit: conn.RateLimit,
	}
	for _, f := range []struct{ change, field *string }{
		{c.Name, &in.Name}, {c.Domain, &in.Domain}, {c.AuthServer, &in.AuthServer},
		{c.HaloTenant, &in.HaloTenant}, {c.ClientID, &in.ClientID}, {c.RateLimit, &in.RateLimit},
	} {
		if f.change != nil {
			*f.field = *f.change
		}
	}
	if c.Secret != nil {
		in.Secret = *c.Secret
	}
	return in
}

// PauseConnection refuses new runs for a connection until it is resumed. It
// is safe to repeat.
func (e *Engine) PauseConnection(ctx context.Context, tenant, actor, ref string) (repo.Connection, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	return e.setState(ctx, tenant, actor, conn, repo.Paused, "paused by "+actor)
}

// ResumeConnection takes a connection into use again. It is safe to repeat.
func (e *Engine) ResumeConnection(ctx context.Context, tenant, actor, ref string) (repo.Connection, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	return e.setState(ctx, tenant, actor, conn, repo.Active, "")
}

func (e *Engine) setState(ctx context.Context, tenant, actor string, conn repo.Connection, state repo.ConnectionState, why string) (repo.Connection, error) {
	if err := e.store.SetConnectionState(ctx, tenant, actor, conn.ID, state, why); err != nil {
		return conn, err
	}
	return e.store.Connection(ctx, tenant, conn.ID)
}
