package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrKeyRight means that the role in Postgres may not make this change to API keys. The
// role of a worker may not create or revoke keys. Only the owner of the tables may create
// a key with the scope ops.
var ErrKeyRight = errors.New("the role in Postgres may not make this change to API keys")

// keyRight returns [ErrKeyRight] for the error of a role that lacks a right on API keys,
// and all other errors unchanged.
func keyRight(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42501" || // insufficient_privilege
		pg.Routine == "ExecWithCheckOptions" && !strings.Contains(pg.Message, `"ops_keys"`) {
		return err // including a violation of another policy, such as tenant_wall
	}
	return ErrKeyRight
}

// APIKey is a credential for HTTP access, without its secret. Only a hash of the secret is
// stored.
type APIKey struct {
	ID         uuid.UUID
	Tenant     string
	Name       string // unique among the tenant's keys that are not revoked
	Scope      string // read, write, admin or ops
	CreatedBy  string
	CreatedAt  time.Time
	LastUsedAt *time.Time // to the minute
	ExpiresAt  *time.Time // nil: never
	RevokedAt  *time.Time
}

// NewAPIKey holds the values that [Store.AddAPIKey] stores.
type NewAPIKey struct {
	ID    uuid.UUID
	Name  string // 1 to 100 characters
	Scope string
	Hash  [32]byte      // SHA-256 of the secret
	For   time.Duration // 0: it does not expire
}

// APIKeyProof is an API key with the data for authenticating it.
type APIKeyProof struct {
	APIKey
	Hash  []byte
	Valid bool // neither revoked nor expired, by the database's clock
	Stale bool // its last use was recorded over a minute ago, or never
}

const keyColumns = `k.id, k.tenant, k.name, k.scope, k.created_by, k.created_at, k.last_used_at, k.expires_at, k.revoked_at`

// liveKey is the condition under which a key k authenticates.
const liveKey = `k.revoked_at is null and (k.expires_at is null or k.expires_at > now())`

func queryAPIKeys(ctx context.Context, q querier, where string, args ...any) ([]APIKey, error) {
	rows, err := q.Query(ctx, `select `+keyColumns+` from halosync.api_keys k `+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[APIKey])
}

// facts returns the JSON that events record about the key.
func (k APIKey) facts() json.RawMessage {
	doc, _ := json.Marshal(map[string]any{"id": k.ID, "name": k.Name, "scope": k.Scope, "expires_at": k.ExpiresAt}) // plain values always marshal
	return doc
}

// securityEvent returns a security event about the key.
func (k APIKey) securityEvent(kind SecurityKind, actor string) SecurityEvent {
	return SecurityEvent{Tenant: k.Tenant, Kind: kind, Outcome: SecuritySucceeded, Actor: actor, Detail: fmt.Sprintf("key %q, scope %s", k.Name, k.Scope)}
}

// AddAPIKey stores a key and records an event. It returns a [*ConflictError] if the
// name is taken, or [ErrKeyRight].
func (s *Store) AddAPIKey(ctx context.Context, tenant, actor string, n NewAPIKey) (key APIKey, err error) {
	if err := checkText("name", n.Name, 1, 100); err != nil {
		return key, wrap("add API key", err)
	}
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		added, err := tx.Exec(ctx, `
			insert into halosync.api_keys (tenant, id, name, scope, hash, created_by, expires_at)
			values ($1, $2, $3, $4, $5, $6, now() + nullif($7::interval, '0'))`,
			tenant, n.ID, n.Name, n.Scope, n.Hash[:], note(actor), n.For)
		if err = keyRight(err); errors.Is(err, ErrKeyRight) {
			return err
		}
		if err != nil {
			return named(translate(err), n.Name)
		}
		if added.RowsAffected() != 1 {
			return ErrNotFound
		}
		keys, err := queryAPIKeys(ctx, tx, `where k.tenant = $1 and k.id = $2`, tenant, n.ID)
		if err != nil {
			return err
		}
		key = keys[0]
		if err := addEvent(ctx, tx, Event{Tenant: tenant, Actor: actor, Action: "apikey.added", After: key.facts()}); err != nil {
			return err
		}
		return addSecurityEvent(ctx, tx, key.securityEvent(SecurityKeyAdded, actor))
	})
	return key, wrap("add API key", err)
}

// APIKeys lists the tenant's keys, revoked ones last.
func (s *Store) APIKeys(ctx context.Context, tenant string) ([]APIKey, error) {
	keys, err := queryAPIKeys(ctx, s.forTenant(tenant), `where k.tenant = $1 order by k.revoked_at nulls first, k.name, k.id`, tenant)
	return keys, wrap("API keys", err)
}

// RevokeAPIKey revokes a key, found by name or id, and ends the sessions that were
// started with it. It returns the key and the number of sessions that it ended. If the key
// was already revoked, it is returned unchanged. The error is [ErrNotFound] if no key
// matches, or [ErrKeyRight].
func (s *Store) RevokeAPIKey(ctx context.Context, tenant, actor, nameOrID string) (key APIKey, sessions int, err error) {
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if key, err = findAPIKey(ctx, tx, tenant, nameOrID, "for update"); err != nil || key.RevokedAt != nil {
			return err
		}
		err = tx.QueryRow(ctx, `update halosync.api_keys set revoked_at = now() where tenant = $1 and id = $2 returning revoked_at`, tenant, key.ID).Scan(&key.RevokedAt)
		if err != nil {
			return keyRight(err)
		}
		ended, err := tx.Exec(ctx, `delete from halosync.sessions where tenant = $1 and api_key_id = $2`, tenant, key.ID)
		if err != nil {
			return err
		}
		sessions = int(ended.RowsAffected())
		if err := addEvent(ctx, tx, Event{Tenant: tenant, Actor: actor, Action: "apikey.revoked", Before: key.facts()}); err != nil {
			return err
		}
		event := key.securityEvent(SecurityKeyRevoked, actor)
		event.Detail += fmt.Sprintf(", sessions ended: %d", sessions)
		return addSecurityEvent(ctx, tx, event)
	})
	return key, sessions, wrap("revoke API key", err)
}

// FindAPIKey returns a key by name or id. If several keys have had the name, it prefers
// the key that is not revoked. The error is [ErrNotFound] if no key matches.
func (s *Store) FindAPIKey(ctx context.Context, tenant, nameOrID string) (APIKey, error) {
	key, err := findAPIKey(ctx, s.forTenant(tenant), tenant, nameOrID, "")
	return key, wrap("API key", err)
}

func findAPIKey(ctx context.Context, q querier, tenant, nameOrID, lock string) (APIKey, error) {
	if unstorable(nameOrID, 1, 200) != "" {
		return APIKey{}, ErrNotFound
	}
	var id *uuid.UUID
	if parsed, err := uuid.Parse(nameOrID); err == nil {
		id = &parsed
	}
	found, err := queryAPIKeys(ctx, q, `where k.tenant = $1 and (k.name = $2 or k.id = $3)
		order by (k.id = $3) is true desc, k.revoked_at desc nulls first limit 1 `+lock, tenant, nameOrID, id)
	if err != nil {
		return APIKey{}, err
	}
	if len(found) == 0 {
		return APIKey{}, ErrNotFound
	}
	return found[0], nil
}

// APIKeyProof finds a key by its id among the keys of all tenants, because the tenant is
// unknown before authentication. It returns [ErrNotFound] if no key has the id.
func (s *Store) APIKeyProof(ctx context.Context, id uuid.UUID) (APIKeyProof, error) {
	rows, err := s.forAllTenants().Query(ctx, `
		select `+keyColumns+`, k.hash, `+liveKey+` as valid, coalesce(k.last_used_at < now() - interval '1 minute', true) as stale
		from halosync.api_keys k where k.id = $1`, id)
	if err != nil {
		return APIKeyProof{}, wrap("API key", err)
	}
	proof, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[APIKeyProof])
	return proof, wrap("API key", err)
}

// TouchAPIKey records that a key was used, at most once a minute.
func (s *Store) TouchAPIKey(ctx context.Context, tenant string, id uuid.UUID) error {
	_, err := s.forTenant(tenant).Exec(ctx, `update halosync.api_keys set last_used_at = now()
		where tenant = $1 and id = $2 and coalesce(last_used_at < now() - interval '1 minute', true)`, tenant, id)
	return wrap("touch API key", err)
}

// AnyAPIKey reports whether any tenant has a valid key.
func (s *Store) AnyAPIKey(ctx context.Context) (there bool, err error) {
	err = s.forAllTenants().QueryRow(ctx, `select exists (select from halosync.api_keys k where `+liveKey+`)`).Scan(&there)
	return there, wrap("API keys", err)
}
