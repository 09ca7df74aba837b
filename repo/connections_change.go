package repo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
)

// ConnectionState is [Active], [Paused] or [NeedsReconnect].
type ConnectionState string

// NewConnection holds the values that [Store.AddConnection] stores.
type NewConnection struct {
	Name       string // 1 to 200 characters, unique within the tenant
	Domain     string // normalised by the caller
	AuthServer string // normalised by the caller
	HaloTenant string // may be empty
	ClientID   string
	Secret     secret.String
	RateLimit  string // empty: the default
	ResyncCron string // empty: the default

	HeaderName  string // name of the MSP's own HTTP header; empty: no header
	HeaderValue secret.String
}

// ConnectionChange holds the changes for [Store.UpdateConnection]. A nil field is not
// changed.
type ConnectionChange struct {
	Name, Domain, AuthServer, HaloTenant, ClientID *string
	RateLimit, ResyncCron                          *string        // empty: the default
	NextResyncAt                                   *time.Time     // zero time: no planned resync
	Secret                                         *secret.String // replaces the sealed secret
	HeaderName                                     *string        // empty: removes the header and its value
	HeaderValue                                    *secret.String // replaces the sealed value
}

// AddConnection stores a connection and seals its secret. It returns a [*ConflictError]
// if the name is taken.
func (s *Store) AddConnection(ctx context.Context, tenant, actor string, n NewConnection) (Connection, error) {
	conn := Connection{
		Tenant: tenant, Name: n.Name, Domain: n.Domain, AuthServer: n.AuthServer,
		HaloTenant: n.HaloTenant, ClientID: n.ClientID, RateLimit: n.RateLimit, ResyncCron: n.ResyncCron,
		HeaderName: n.HeaderName, State: Active,
	}
	if err := conn.check(); err != nil {
		return Connection{}, wrap("add connection", err)
	}
	id, err := newID()
	if err != nil {
		return Connection{}, wrap("add connection", err)
	}
	conn.ID = id
	entered := enteredValues{secret: &n.Secret}
	if n.HeaderName != "" {
		entered.header = &n.HeaderValue
	}
	sealed, err := s.sealFor(conn, Credentials{}, entered)
	if err != nil {
		return Connection{}, wrap("add connection", err)
	}
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into halosync.connections
				(id, tenant, name, domain, auth_server, halo_tenant, client_id, secret_sealed, rate_limit, resync_cron, header_name, header_sealed)
			values ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), nullif($10, ''), $11, $12)`,
			id, tenant, n.Name, n.Domain, n.AuthServer, n.HaloTenant, n.ClientID, sealed.secret, n.RateLimit, n.ResyncCron,
			n.HeaderName, sealed.header)
		if err != nil {
			return named(translate(err), n.Name)
		}
		if err := addEvent(ctx, tx, Event{
			Tenant: tenant, Actor: actor, Action: "connection.added", ConnectionID: &id, After: conn.facts(),
		}); err != nil {
			return err
		}
		conn, err = queryConnection(ctx, tx, `where c.tenant = $1 and c.id = $2`, tenant, id)
		return err
	})
	return conn, wrap("add connection", err)
}

// UpdateConnection changes a connection and records an event if anything differs. It
// does not touch mappings. A stored secret is only ever sent to the address that it was
// entered for. A change of address therefore requires a new secret and, if the
// connection has a header, a new header value. Without them, the error is an
// [*InvalidError].
func (s *Store) UpdateConnection(ctx context.Context, tenant, actor string, id uuid.UUID, change ConnectionChange) (Connection, error) {
	entered := enteredValues{change.Secret, change.HeaderValue}
	return s.changeConnection(ctx, tenant, actor, id, "connection.changed", entered.how(), entered, func(c *Connection) {
		was := c.instance()
		change.apply(c)
		if !entered.none() || c.instance() != was {
			c.InstanceUnsure = true
		}
	})
}

// SetConnectionState pauses or resumes a connection, or sets it to [NeedsReconnect]. If
// the connection already has the state, nothing changes.
func (s *Store) SetConnectionState(ctx context.Context, tenant, actor string, id uuid.UUID, state ConnectionState, reason string) error {
	_, err := s.changeConnection(ctx, tenant, actor, id, "connection."+string(state), note(reason), enteredValues{}, func(c *Connection) {
		if c.State != state {
			c.State, c.StateReason = state, note(reason)
			c.NextResyncAt = nil // planned again when the connection becomes active
		}
	})
	return err
}

// enteredValues holds the secrets that a person entered. Nil means that the stored
// secret is kept.
type enteredValues struct{ secret, header *secret.String }

func (e enteredValues) none() bool { return e.secret == nil && e.header == nil }

// how returns the description of the change for events.
func (e enteredValues) how() string {
	switch {
	case e.none():
		return ""
	case e.header == nil:
		return "secret replaced"
	case e.secret == nil:
		return "header value replaced"
	}
	return "secret and header value replaced"
}

// sealedChange holds the new sealed values. Nil means that the stored value does not
// change.
type sealedChange struct{ secret, header []byte }

func (c sealedChange) unchanged() bool { return c.secret == nil && c.header == nil }

// sealFor seals a connection's secrets for the addresses and the header in next. It
// seals the entered secrets, and those stored secrets whose binding has changed.
func (s *Store) sealFor(next Connection, stored Credentials, entered enteredValues) (fresh sealedChange, err error) {
	moved := next.Domain != stored.Domain || next.AuthServer != stored.AuthServer
	fresh.secret, err = s.sealOne(entered.secret, stored.Secret, moved, "client secret",
		stored.binding().ClientSecret(), next.binding().ClientSecret())
	if err != nil || next.HeaderName == "" {
		return fresh, err
	}
	moved = moved || !strings.EqualFold(next.HeaderName, stored.HeaderName)
	fresh.header, err = s.sealOne(entered.header, stored.HeaderValue, moved, "header value",
		stored.binding().HeaderValue(), next.binding().HeaderValue())
	return fresh, err
}

// sealOne seals an entered value, or reseals the stored value if its binding changes.
// It refuses to seal a stored value for an address or header for which the value was
// not entered.
func (s *Store) sealOne(entered *secret.String, stored func() (secret.String, error), moved bool, what string, was, now []string) ([]byte, error) {
	switch {
	case entered != nil:
		return sealValue(s.keys, *entered, now)
	case moved:
		return nil, &InvalidError{What: what, Reason: "must be entered again: the stored one was entered for another address or header"}
	case slices.Equal(was, now):
		return nil, nil
	}
	plain, err := stored()
	if err != nil {
		return nil, err
	}
	return sealValue(s.keys, plain, now)
}

// changeConnection reads a connection under a lock and changes it. If anything differs,
// it writes the connection back and records an event.
func (s *Store) changeConnection(ctx context.Context, tenant, actor string, id uuid.UUID, action, how string, entered enteredValues, change func(*Connection)) (conn Connection, err error) {
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		stored, err := s.queryCredentials(ctx, tx, `where c.tenant = $1 and c.id = $2 for no key update of c`, tenant, id)
		if err != nil {
			return err
		}
		if conn = stored.Connection; s.stale(conn) {
			return ErrChanged
		}
		before, next := conn.facts(), conn
		change(&next)
		if string(before) == string(next.facts()) && entered.none() && sameTime(conn.NextResyncAt, next.NextResyncAt) {
			return nil
		}
		if err := next.check(); err != nil {
			return err
		}
		if value := entered.header != nil || conn.HeaderName != ""; next.HeaderName != "" && !value || next.HeaderName == "" && entered.header != nil {
			return &InvalidError{What: "header", Reason: "needs both a name and a value"}
		}
		sealed, err := s.sealFor(next, stored, entered)
		if err != nil {
			return err
		}
		if err := writeConnection(ctx, tx, next, sealed); err != nil {
			return named(translate(err), next.Name)
		}
		if err := addEvent(ctx, tx, Event{
			Tenant: tenant, Actor: actor, Action: action, How: how, ConnectionID: &id,
			Before: before, After: next.facts(),
		}); err != nil {
			return err
		}
		if err := addConnectionSecurity(ctx, tx, actor, conn, next, entered); err != nil {
			return err
		}
		conn, err = queryConnection(ctx, tx, `where c.tenant = $1 and c.id = $2`, tenant, id)
		return err
	})
	if err != nil {
		return Connection{}, wrap("update connection", err)
	}
	return conn, nil
}

// addConnectionSecurity records a security event if a change replaces an address, and
// another one if it replaces a secret.
func addConnectionSecurity(ctx context.Context, tx pgx.Tx, actor string, was, is Connection, entered enteredValues) error {
	event := SecurityEvent{Tenant: is.Tenant, Kind: SecurityAddressChanged, Outcome: SecuritySucceeded, Actor: actor}
	for _, address := range [][2]string{{was.Domain, is.Domain}, {was.AuthServer, is.AuthServer}} {
		if address[0] == address[1] {
			continue
		}
		event.Detail = fmt.Sprintf("%q: %s to %s", is.Name, plaintext.Clean(address[0], 300), plaintext.Clean(address[1], 300))
		if err := addSecurityEvent(ctx, tx, event); err != nil {
			return err
		}
	}
	if entered.none() {
		return nil
	}
	event.Kind, event.Detail = SecuritySecretChanged, fmt.Sprintf("%q: %s", is.Name, entered.how())
	return addSecurityEvent(ctx, tx, event)
}

func writeConnection(ctx context.Context, tx pgx.Tx, c Connection, sealed sealedChange) error {
	_, err := tx.Exec(ctx, `
		update halosync.connections set
			name = $3, domain = $4, auth_server = $5, halo_tenant = $6, client_id = $7,
			state = $8, state_reason = $9, rate_limit = nullif($10, ''), resync_cron = nullif($11, ''),
			next_resync_at = $12, secret_sealed = coalesce($13, secret_sealed), instance_unsure = $14,
			header_name = $15, header_sealed = case when $15 <> '' then coalesce($16, header_sealed) end,
			updated_at = greatest(now(), updated_at + interval '1 microsecond')
		where tenant = $1 and id = $2`,
		c.Tenant, c.ID, c.Name, c.Domain, c.AuthServer, c.HaloTenant, c.ClientID,
		c.State, c.StateReason, c.RateLimit, c.ResyncCron, c.NextResyncAt, sealed.secret, c.InstanceUnsure, c.HeaderName, sealed.header)
	return err
}

// instance returns the fields that determine which Halo a connection reads and which
// application it uses to do so.
func (c Connection) instance() [5]string {
	return [5]string{c.Domain, c.AuthServer, c.HaloTenant, c.ClientID, c.HeaderName}
}

func (ch ConnectionChange) apply(c *Connection) {
	for _, f := range []struct {
		to    *string
		field *string
	}{
		{ch.Name, &c.Name}, {ch.Domain, &c.Domain}, {ch.AuthServer, &c.AuthServer}, {ch.HaloTenant, &c.HaloTenant},
		{ch.ClientID, &c.ClientID}, {ch.RateLimit, &c.RateLimit}, {ch.ResyncCron, &c.ResyncCron},
		{ch.HeaderName, &c.HeaderName},
	} {
		if f.to != nil {
			*f.field = *f.to
		}
	}
	if ch.NextResyncAt != nil {
		c.NextResyncAt = ch.NextResyncAt
		if ch.NextResyncAt.IsZero() {
			c.NextResyncAt = nil
		}
	}
}

// check returns an error for the first field that cannot be stored.
func (c Connection) check() error {
	for _, f := range []struct {
		what, value    string
		minLen, maxLen int
	}{
		{"tenant", c.Tenant, 1, 200}, {"connection name", c.Name, 1, 200},
		{"domain", c.Domain, 1, 2000}, {"authorisation server", c.AuthServer, 1, 2000},
		{"Halo tenant", c.HaloTenant, 0, 200}, {"client id", c.ClientID, 1, 200},
		{"rate limit", c.RateLimit, 0, 100}, {"resync schedule", c.ResyncCron, 0, 200},
		{"header name", c.HeaderName, 0, 100},
	} {
		if err := checkText(f.what, f.value, f.minLen, f.maxLen); err != nil {
			return err
		}
	}
	switch c.State {
	case Active, Paused, NeedsReconnect:
		return nil
	}
	return &InvalidError{What: "connection state", Reason: "is unknown"}
}

// facts returns the JSON that events record about the connection.
func (c Connection) facts() json.RawMessage {
	b, err := json.Marshal(map[string]string{
		"name": c.Name, "domain": c.Domain, "auth_server": c.AuthServer, "halo_tenant": c.HaloTenant,
		"client_id": c.ClientID, "header_name": c.HeaderName, "rate_limit": c.RateLimit, "resync_cron": c.ResyncCron,
		"state": string(c.State), "state_reason": c.StateReason,
	})
	if err != nil {
		return nil // cannot happen: strings always marshal
	}
	return b
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// ConfirmInstance records that a connection still reads the Halo to which its mappings
// refer, although its address or credentials changed.
func (s *Store) ConfirmInstance(ctx context.Context, tenant string, connectionID uuid.UUID) error {
	tag, err := s.forTenant(tenant).Exec(ctx, `
		update halosync.connections set instance_unsure = false where tenant = $1 and id = $2`, tenant, connectionID)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	return wrap("trust instance", err)
}

// Removal counts the rows that are removed with a connection. Companies and events are
// kept.
type Removal struct {
	Mappings int // active mappings
	Unmapped int // mappings that were already unmapped
	Clients  int // entries of the catalogue
	Runs     int // runs in all states
	Active   int // runs that are queued or running; they end without a result
}

// PreviewRemoval counts the rows that [Store.RemoveConnection] would remove.
func (s *Store) PreviewRemoval(ctx context.Context, tenant string, id uuid.UUID) (Removal, error) {
	r, err := previewRemoval(ctx, s.forTenant(tenant), tenant, id)
	return r, wrap("preview of removal", err)
}

func previewRemoval(ctx context.Context, q querier, tenant string, id uuid.UUID) (Removal, error) {
	rows, err := q.Query(ctx, `
		select m.mappings, m.unmapped, cl.clients, r.runs, r.active
		from halosync.connections c
		cross join lateral (
			select count(*) filter (where deleted_at is null) as mappings, count(deleted_at) as unmapped
			from halosync.mappings where tenant = c.tenant and connection_id = c.id) m
		cross join lateral (
			select count(*) as clients from halosync.clients where tenant = c.tenant and connection_id = c.id) cl
		cross join lateral (
			select count(*) as runs, count(*) filter (where state in ('queued', 'running')) as active
			from halosync.runs where tenant = c.tenant and connection_id = c.id) r
		where c.tenant = $1 and c.id = $2`, tenant, id)
	if err != nil {
		return Removal{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Removal])
}

// RemoveConnection removes a connection with its mappings, catalogue and runs. A run
// that is being executed gets [ErrFenced] at its next write.
func (s *Store) RemoveConnection(ctx context.Context, tenant, actor string, id uuid.UUID) error {
	err := s.inTenantTx(ctx, tenant, func(ctx context.Context, tx pgx.Tx) error {
		conn, err := queryConnection(ctx, tx, `where c.tenant = $1 and c.id = $2 for update of c`, tenant, id)
		if err != nil {
			return err
		}
		if s.stale(conn) {
			return ErrChanged
		}
		if _, err := tx.Exec(ctx, `delete from halosync.connections where tenant = $1 and id = $2`, tenant, id); err != nil {
			return err
		}
		return addEvent(ctx, tx, Event{
			Tenant: tenant, Actor: actor, Action: "connection.removed", ConnectionID: &id, Before: conn.facts(),
		})
	})
	return wrap("remove connection", err)
}
