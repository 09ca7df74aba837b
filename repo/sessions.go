package repo

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Session is a sign-in to the console. Only the hash of the browser's cookie is
// stored.
type Session struct {
	ID       uuid.UUID
	Tenant   string
	Actor    string
	Scope    string     // read, write, admin or ops
	APIKeyID *uuid.UUID // nil: the product signed its user in
	Stale    bool       // its last use was recorded over a minute ago
}

// NewSession holds the values that [Store.AddSession] stores.
type NewSession struct {
	Hash     [32]byte // SHA-256 of the cookie
	Actor    string
	Scope    string
	APIKeyID *uuid.UUID
	// SigninSecret is the fingerprint of the sign-in secret that signed the product's
	// token; nil for a session of an API key.
	SigninSecret []byte
	For          time.Duration
}

// SessionIdle is how long a session lasts without use.
const SessionIdle = time.Hour

// AddSession starts a session, deletes the tenant's expired sessions and records a
// security event.
func (s *Store) AddSession(ctx context.Context, tenant string, n NewSession) error {
	err := s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from halosync.sessions
			where tenant = $1 and (expires_at <= now() or last_seen_at <= now() - $2::interval)`, tenant, SessionIdle)
		if err != nil {
			return err
		}
		from := originOf(ctx)
		_, err = tx.Exec(ctx, `insert into halosync.sessions (tenant, hash, actor, scope, api_key_id, expires_at, signin_secret, address, user_agent)
			values ($1, $2, $3, $4, $5, now() + $6::interval, $7, $8, $9)`,
			tenant, n.Hash[:], note(n.Actor), n.Scope, n.APIKeyID, n.For, n.SigninSecret, from.Address, from.UserAgent)
		if err != nil {
			return err
		}
		return addSecurityEvent(ctx, tx, SecurityEvent{
			Tenant: tenant, Kind: SecuritySignIn, Outcome: SecuritySucceeded, Actor: n.Actor, Detail: "scope " + n.Scope,
		})
	})
	return wrap("add session", err)
}

// Session finds a session by its hash among the sessions of all tenants, because the tenant
// is unknown before authentication. It returns [ErrNotFound] if the session does not exist
// or has expired, or if its API key has expired or was revoked. It also returns ErrNotFound
// for a session that the product started, unless signinSecrets contains the fingerprint of
// the session's sign-in secret.
func (s *Store) Session(ctx context.Context, hash [32]byte, signinSecrets [][]byte) (Session, error) {
	rows, err := s.forAllTenants().Query(ctx, `
		select s.id, s.tenant, s.actor, s.scope, s.api_key_id, s.last_seen_at < now() - interval '1 minute' as stale
		from halosync.sessions s left join halosync.api_keys k on k.tenant = s.tenant and k.id = s.api_key_id
		where s.hash = $1 and s.expires_at > now() and s.last_seen_at > now() - $2::interval
			and case when s.api_key_id is null then s.signin_secret = any($3::bytea[]) else `+liveKey+` end`, hash[:], SessionIdle, signinSecrets)
	if err != nil {
		return Session{}, wrap("session", err)
	}
	session, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Session])
	return session, wrap("session", err)
}

// TouchSession records that a session was used, at most once a minute.
func (s *Store) TouchSession(ctx context.Context, tenant string, hash [32]byte) error {
	_, err := s.forTenant(tenant).Exec(ctx, `update halosync.sessions set last_seen_at = now()
		where tenant = $1 and hash = $2 and last_seen_at < now() - interval '1 minute'`, tenant, hash[:])
	return wrap("touch session", err)
}

// UseSigninToken reports whether a sign-in token of the product is being used for the
// first time. It stores the token until the token expires, and deletes the tenant's
// expired tokens.
func (s *Store) UseSigninToken(ctx context.Context, tenant string, hash [32]byte, lasts time.Duration) (first bool, err error) {
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `delete from halosync.signin_tokens_used where tenant = $1 and expires_at <= now()`, tenant); err != nil {
			return err
		}
		used, err := tx.Exec(ctx, `insert into halosync.signin_tokens_used (tenant, hash, expires_at)
			values ($1, $2, now() + $3::interval) on conflict do nothing`, tenant, hash[:], lasts)
		first = err == nil && used.RowsAffected() == 1
		return err
	})
	return first, wrap("use sign-in token", err)
}
