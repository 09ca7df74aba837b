package repo

import (
	"context"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/internal/plaintext"
)

// SecurityKind is the subject of a security event.
type SecurityKind string

// The kinds of security events.
const (
	SecuritySignIn         SecurityKind = "signin"
	SecurityKeyUsed        SecurityKind = "apikey.used" // recorded only if the key was not accepted
	SecurityKeyAdded       SecurityKind = "apikey.added"
	SecurityKeyRevoked     SecurityKind = "apikey.revoked"
	SecuritySessionEnded   SecurityKind = "session.ended"      // by a person, not by age
	SecuritySecretChanged  SecurityKind = "connection.secret"  // client secret or value of the header
	SecurityAddressChanged SecurityKind = "connection.address" // resource server or authorisation server
	SecurityKeysetRotated  SecurityKind = "keyset.rotated"     // stored credentials were sealed with a new key
	SecurityRoleGranted    SecurityKind = "role.granted"       // worker migrate --grant-to or --grant-cli-to
	SecurityScopeExceeded  SecurityKind = "scope.exceeded"     // a valid key or session requested more than its scope permits
)

// SecurityOutcome is the outcome of a security event.
type SecurityOutcome string

// The outcomes of security events.
const (
	SecuritySucceeded SecurityOutcome = "succeeded"
	SecurityRefused   SecurityOutcome = "refused"
	SecurityThrottled SecurityOutcome = "throttled" // not verified, because of too many failed attempts
)

// SecurityEvent records a sign-in, a refusal, or a change of credentials or rights. The
// database sets ID, At and WrittenBy. Security events are never changed. They are deleted
// only when they are old; see [Store.ForgetSecurityEvents].
type SecurityEvent struct {
	ID        int64
	At        time.Time
	Tenant    string // empty: the whole installation, or unknown
	Kind      SecurityKind
	Outcome   SecurityOutcome
	Actor     string // empty: unknown
	Address   string // the client's IPv4 address or IPv6 network; empty: a command, or several clients
	UserAgent string
	Detail    string // for people, may be empty
	Count     int    // number of equal events that this row stands for; 0 stores 1
	WrittenBy string // the role in Postgres that wrote it, set by the database
}

// Origin is where a request came from.
type Origin struct{ Address, UserAgent string }

type originKey struct{}

// WithOrigin returns a context whose security events have this origin.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// originOf returns the origin in ctx, in the form in which it is stored. The context of a
// command has no origin.
func originOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return Origin{Address: plaintext.Clean(o.Address, 100), UserAgent: plaintext.Clean(o.UserAgent, 200)}
}

// execer is the common interface of a pool and a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// addSecurityEvent writes an event. An event without an address gets the origin in ctx.
func addSecurityEvent(ctx context.Context, q execer, e SecurityEvent) error {
	if e.Address == "" && e.UserAgent == "" {
		o := originOf(ctx)
		e.Address, e.UserAgent = o.Address, o.UserAgent
	}
	_, err := q.Exec(ctx, `
		insert into halosync.security_events (tenant, kind, outcome, actor, address, user_agent, detail, count)
		values (nullif($1, ''), $2, $3, $4, $5, $6, $7, $8)`,
		e.Tenant, e.Kind, e.Outcome, plaintext.Clean(e.Actor, 500), plaintext.Clean(e.Address, 100), plaintext.Clean(e.UserAgent, 200),
		plaintext.Clean(e.Detail, 1000), max(1, e.Count))
	return err
}

// AddSecurityEvents records events that are not part of another transaction, such as
// refused credentials.
func (s *Store) AddSecurityEvents(ctx context.Context, events ...SecurityEvent) error {
	err := s.forAllTenants().InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for _, e := range events {
			if err := addSecurityEvent(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("add security events", err)
}

// SecurityFilter restricts [Store.SecurityEvents]. The zero value of a field means no
// restriction.
type SecurityFilter struct {
	Since  time.Time
	Before int64 // only events with a smaller id: the next page
	Limit  int   // 1 to 1,000; 0 means 100
}

const securityColumns = `id, at, coalesce(tenant, '') as tenant, kind, outcome, actor, address, user_agent, detail, count, written_by`

const securityPage = `($1::timestamptz is null or at >= $1) and ($2::bigint = 0 or id < $2)`

// SecurityEvents lists the tenant's security events, newest first.
func (s *Store) SecurityEvents(ctx context.Context, tenant string, f SecurityFilter) ([]SecurityEvent, error) {
	return querySecurityEvents(ctx, s.forTenant(tenant), securityPage+` and tenant = $4 order by id desc limit $3`, orNull(f.Since), f.Before, limit(f.Limit), tenant)
}

// SecurityEventsOfAll lists the security events of all tenants and of the installation,
// newest first.
func (s *Store) SecurityEventsOfAll(ctx context.Context, f SecurityFilter) ([]SecurityEvent, error) {
	return querySecurityEvents(ctx, s.forAllTenants(), securityPage+` order by id desc limit $3`, orNull(f.Since), f.Before, limit(f.Limit))
}

// AllSecurityEvents returns all events that list returns, newest first. It reads a thousand
// events at a time and ignores f.Limit. The argument list is [Store.SecurityEvents] for one
// tenant, or [Store.SecurityEventsOfAll].
func AllSecurityEvents(f SecurityFilter, list func(SecurityFilter) ([]SecurityEvent, error)) iter.Seq2[SecurityEvent, error] {
	return chunks(func(last *SecurityEvent) ([]SecurityEvent, error) {
		f := f
		f.Limit = chunkSize
		if last != nil {
			f.Before = last.ID
		}
		return list(f)
	})
}

func querySecurityEvents(ctx context.Context, q querier, where string, args ...any) ([]SecurityEvent, error) {
	rows, err := q.Query(ctx, `select `+securityColumns+` from halosync.security_events where `+where, args...)
	if err != nil {
		return nil, wrap("security events", err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByName[SecurityEvent])
	return events, wrap("security events", err)
}

// ForgetSecurityEvents checks up to limit of the oldest security events of all tenants.
// It deletes those that are older than age and older than 90 days. The result called more
// reports whether events may be left to delete.
func (s *Store) ForgetSecurityEvents(ctx context.Context, age time.Duration, limit int) (gone int, more bool, err error) {
	err = s.forAllTenants().QueryRow(ctx, `select halosync.forget_security_events($1::interval, $2)`, age, limit).Scan(&gone)
	return gone, gone > 0, wrap("forget security events", err)
}
