package repo

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/repo/internal/scoped"
)

// OpenSession is a session that has not ended, as lists show it.
type OpenSession struct {
	ID         uuid.UUID
	Tenant     string
	Actor      string // "user:SUB", or "key:NAME" for a session of an API key
	Scope      string
	APIKeyID   *uuid.UUID // nil: the product signed its user in
	Address    string     // of the sign-in
	UserAgent  string     // of the sign-in
	CreatedAt  time.Time
	LastSeenAt time.Time // to the minute
	ExpiresAt  time.Time
}

// SessionFilter selects sessions. The zero value of a field means no restriction.
type SessionFilter struct {
	ID       *uuid.UUID
	Actor    string
	APIKeyID *uuid.UUID
	Limit    int // of a list; 0 means no limit
}

// sessionFilter is the condition for a session s of tenant $1, or of all tenants if $1 is
// null.
const sessionFilter = `($1::text is null or s.tenant = $1) and ($2::uuid is null or s.id = $2)
	and ($3 = '' or s.actor = $3) and ($4::uuid is null or s.api_key_id = $4)`

// args returns the parameters of sessionFilter.
func (f SessionFilter) args(tenant *string) []any {
	return []any{tenant, f.ID, note(f.Actor), f.APIKeyID}
}

// Sessions lists the tenant's open sessions, most recently used first. The database does
// not know which sign-in secrets the workers accept, so Sessions includes sessions of
// replaced secrets until these sessions expire.
func (s *Store) Sessions(ctx context.Context, tenant string, f SessionFilter) ([]OpenSession, error) {
	return querySessions(ctx, s.forTenant(tenant), &tenant, f)
}

// SessionsOfAll lists the open sessions of all tenants, most recently used first.
func (s *Store) SessionsOfAll(ctx context.Context, f SessionFilter) ([]OpenSession, error) {
	return querySessions(ctx, s.forAllTenants(), nil, f)
}

func querySessions(ctx context.Context, q querier, tenant *string, f SessionFilter) ([]OpenSession, error) {
	rows, err := q.Query(ctx, `
		select s.id, s.tenant, s.actor, s.scope, s.api_key_id, s.address, s.user_agent, s.created_at, s.last_seen_at, s.expires_at
		from halosync.sessions s left join halosync.api_keys k on k.tenant = s.tenant and k.id = s.api_key_id
		where `+sessionFilter+` and s.expires_at > now() and s.last_seen_at > now() - $5::interval and (s.api_key_id is null or `+liveKey+`)
		order by s.last_seen_at desc, s.id limit nullif($6, 0)`, append(f.args(tenant), SessionIdle, f.Limit)...)
	if err != nil {
		return nil, wrap("sessions", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[OpenSession])
	return list, wrap("sessions", err)
}

// EndSessions ends the tenant's sessions that match f, and returns their number. Every
// worker refuses the next request of an ended session. EndSessions is safe to repeat.
func (s *Store) EndSessions(ctx context.Context, tenant, actor string, f SessionFilter) (int, error) {
	return endSessions(ctx, s.forTenant(tenant), &tenant, actor, f)
}

// EndSessionsOfAll is like [Store.EndSessions], for all tenants.
func (s *Store) EndSessionsOfAll(ctx context.Context, actor string, f SessionFilter) (int, error) {
	return endSessions(ctx, s.forAllTenants(), nil, actor, f)
}

// endSessions deletes sessions and records one security event for each actor whose
// sessions it ended.
func endSessions(ctx context.Context, in scoped.Scope, tenant *string, actor string, f SessionFilter) (n int, err error) {
	err = in.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			with ended as (delete from halosync.sessions s where `+sessionFilter+` returning s.tenant, s.actor)
			select tenant, actor, count(*)::int as count from ended group by tenant, actor order by tenant, actor`, f.args(tenant)...)
		if err != nil {
			return err
		}
		type ended struct {
			Tenant, Actor string
			Count         int
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByName[ended])
		if err != nil {
			return err
		}
		for _, e := range all {
			n += e.Count
			if err := addSecurityEvent(ctx, tx, SecurityEvent{
				Tenant: e.Tenant, Kind: SecuritySessionEnded, Outcome: SecuritySucceeded, Actor: actor, Detail: "of " + e.Actor, Count: e.Count,
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, wrap("end sessions", err)
	}
	return n, nil
}
