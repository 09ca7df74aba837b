package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/schedule"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// ConnectionChange describes changes to a connection. Nil fields keep their values.
type ConnectionChange struct {
	Name, Domain, AuthServer, HaloTenant, ClientID, RateLimit *string
	Secret                                                    *secret.String
	HeaderName                                                *string        // empty: removes the header
	HeaderValue                                               *secret.String // required if the name changes
}

// UpdateConnection changes a connection in place and keeps its mappings. It tests
// changed credentials like those of a new connection and stores nothing if the test
// fails. A connection that needed to be reconnected becomes active. If the mappings may
// be outdated, or if the connection may now read a different Halo, UpdateConnection
// starts a resync and returns its receipt.
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

// changeConnection tests and stores a change.
func (e *Engine) changeConnection(ctx context.Context, tenant, actor string, conn repo.Connection, change ConnectionChange) (repo.Connection, error) {
	held, err := e.store.Credentials(ctx, tenant, conn.ID)
	if err != nil {
		return conn, err
	}
	conn = held.Connection
	stored, err := held.Secret()
	switch {
	case err == nil:
	case change.Secret == nil:
		return conn, dial.CredentialsError(conn, err)
	case change.Domain == nil || change.AuthServer == nil:
		// If the person entered only the secret, it would be sent to these addresses,
		// which the person may never have seen.
		return conn, usagef("the stored secret does not open for the addresses %s and %s, so someone may have changed them: "+
			"check both addresses and enter them together with the client secret", conn.Domain, conn.AuthServer)
	}
	var header secret.String
	if change.HeaderValue == nil {
		if header, err = held.HeaderValue(); err != nil {
			return conn, dial.CredentialsError(conn, err)
		}
	}
	in, authServers, err := e.normalise(change.apply(conn, stored, header))
	if err != nil {
		return conn, err
	}
	if change.Secret == nil && slices.Contains(authServers, conn.AuthServer) { // another spelling of the stored address
		in.AuthServer, authServers = conn.AuthServer, []string{conn.AuthServer}
	}
	// A stored secret and its tokens are sent only to the address for which the secret was
	// entered. Otherwise a user who can change an address could collect them. The same
	// applies to the value of the header.
	if in.Domain != conn.Domain || in.AuthServer != conn.AuthServer {
		if change.Secret == nil {
			return conn, usagef("enter the client secret again when you change an address: the stored secret is sent only to the address that it was entered for")
		}
		if in.HeaderName != "" && change.HeaderValue == nil {
			return conn, usagef("enter the header's value again when you change an address: the stored value is sent only to the address that it was entered for")
		}
	}
	if in.AuthServer, err = e.probe(ctx, tenant, in, authServers); err != nil {
		return conn, err
	}
	update := repo.ConnectionChange{
		Name: &in.Name, Domain: &in.Domain, AuthServer: &in.AuthServer, HaloTenant: &in.HaloTenant,
		ClientID: &in.ClientID, RateLimit: &in.RateLimit, Secret: change.Secret,
		HeaderName: &in.HeaderName,
	}
	// AuthServer also differs if the test found it at another path of the same host. The value
	// must then be sealed for the new address.
	if in.HeaderName != "" && (change.HeaderValue != nil || in.AuthServer != conn.AuthServer) {
		update.HeaderValue = &in.HeaderValue
	}
	conn, err = e.store.UpdateConnection(ctx, tenant, actor, conn.ID, update)
	if errors.Is(err, repo.ErrConflict) {
		return conn, conflictf("a connection named %q already exists", in.Name)
	}
	if err != nil || conn.State != repo.NeedsReconnect {
		return conn, err
	}
	return e.IfUnchanged(time.Time{}).setState(ctx, tenant, actor, conn, repo.Active, "") // the update above has changed the connection
}

// IfUnchanged returns an engine that changes a connection only if the connection has
// not changed since seen; see [repo.Store.IfUnchanged].
func (e *Engine) IfUnchanged(seen time.Time) *Engine {
	conditional := *e
	conditional.store = e.store.IfUnchanged(seen)
	return &conditional
}

// apply returns the connection's input with the changes applied. The arguments stored and
// header are the connection's secrets.
func (c ConnectionChange) apply(conn repo.Connection, stored, header secret.String) ConnectionInput {
	in := ConnectionInput{
		Name: conn.Name, Domain: conn.Domain, AuthServer: conn.AuthServer, HaloTenant: conn.HaloTenant,
		ClientID: conn.ClientID, Secret: stored, RateLimit: conn.RateLimit,
		HeaderName: conn.HeaderName, HeaderValue: header,
	}
	for _, f := range []struct{ change, field *string }{
		{c.Name, &in.Name}, {c.Domain, &in.Domain}, {c.AuthServer, &in.AuthServer},
		{c.HaloTenant, &in.HaloTenant}, {c.ClientID, &in.ClientID}, {c.RateLimit, &in.RateLimit},
		{c.HeaderName, &in.HeaderName},
	} {
		if f.change != nil {
			*f.field = *f.change
		}
	}
	if c.Secret != nil {
		in.Secret = *c.Secret
	}
	switch {
	case c.HeaderValue != nil:
		in.HeaderValue = *c.HeaderValue
	case !strings.EqualFold(strings.TrimSpace(in.HeaderName), conn.HeaderName):
		in.HeaderValue = secret.String{} // the stored value belongs to the stored name
	}
	return in
}

// PauseConnection pauses a connection. New runs are refused until the connection is
// resumed. PauseConnection is safe to repeat.
func (e *Engine) PauseConnection(ctx context.Context, tenant, actor, ref string) (repo.Connection, error) {
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	return e.setState(ctx, tenant, actor, conn, repo.Paused, "paused by "+actor)
}

// ResumeConnection reactivates a connection. It is safe to repeat.
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

// SetSchedule sets a connection's own schedule, or the default schedule if spec is
// empty. The next tick of a worker plans the next resync. If spec is invalid,
// SetSchedule returns a [*UsageError].
func (e *Engine) SetSchedule(ctx context.Context, tenant, actor, ref, spec string) (repo.Connection, error) {
	if spec != "" {
		if _, err := schedule.Parse(spec); err != nil {
			return repo.Connection{}, usagef("%v", err)
		}
	}
	conn, err := e.FindConnection(ctx, tenant, ref)
	if err != nil {
		return conn, err
	}
	unplanned := time.Time{}
	return e.store.UpdateConnection(ctx, tenant, actor, conn.ID, repo.ConnectionChange{ResyncCron: &spec, NextResyncAt: &unplanned})
}

// ScheduleStatus describes, as of now, when a connection will next be
// resynced.
func ScheduleStatus(c repo.Connection, now time.Time) string {
	text := "on time"
	switch {
	case c.State != repo.Active:
		text = string(c.State) + ": no resync until it is active again"
	case c.NextResyncAt == nil:
		text = "not planned yet: a worker plans it within seconds"
	case now.Sub(*c.NextResyncAt) > schedule.LateAfter:
		text = "late: due since " + c.NextResyncAt.UTC().Format(time.RFC3339) + "; is a worker running?"
	}
	if c.MissedResyncs > 0 {
		text += fmt.Sprintf("; %d missed so far", c.MissedResyncs)
	}
	return text
}

// PlannedSchedule returns the schedule that was used to plan a connection's next
// resync, or "" if no resync is planned.
func PlannedSchedule(c repo.Connection) string {
	spec, _, _ := strings.Cut(c.NextResyncSpec, schedule.SpreadMark)
	return spec
}
