package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// A key is hs_<id>_<secret>. The id is the primary key of the key's row, in 32 hex digits.
// The secret has 52 base32 characters, which encode 200 random bits and a MAC of 60 bits
// (the stamp; see [stamper]). Only its SHA-256 hash is stored. A slower hash is
// unnecessary, because the secret cannot be guessed.
const (
	keyMark     = "hs_"
	idLength    = 32
	proofLength = 52
	keyLength   = len(keyMark) + idLength + 1 + proofLength
)

// newProof returns a random string of 260 bits.
func newProof() string { return rand.Text() + rand.Text() }

// isProof reports whether a string has the form that newProof returns.
func isProof(text string) bool {
	return len(text) == proofLength && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// parseKey splits a key into its id and its secret. It returns false if the
// string is not a key.
func parseKey(text string) (id uuid.UUID, proof string, ok bool) {
	if len(text) != keyLength || !strings.HasPrefix(text, keyMark) || text[len(keyMark)+idLength] != '_' {
		return uuid.Nil, "", false
	}
	if _, err := hex.Decode(id[:], []byte(text[len(keyMark):len(keyMark)+idLength])); err != nil {
		return uuid.Nil, "", false
	}
	proof = text[keyLength-proofLength:]
	return id, proof, isProof(proof)
}

// NewKey creates an API key for a tenant and returns its record and its text.
// The text is not stored and cannot be shown again. If the argument lasts is 0, the key
// does not expire.
func NewKey(ctx context.Context, store *repo.Store, tenant, actor, name string, scope Scope, lasts time.Duration) (repo.APIKey, secret.String, error) {
	if !scope.Valid() {
		return repo.APIKey{}, secret.String{}, &engine.UsageError{Reason: fmt.Sprintf("scope %.40q: want read, write, admin or ops", string(scope))}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return repo.APIKey{}, secret.String{}, err
	}
	stamps, err := newStamper(ctx, store)
	if err != nil {
		return repo.APIKey{}, secret.String{}, err
	}
	proof := stamps.proof(forKey(id))
	key, err := store.AddAPIKey(ctx, tenant, actor, repo.NewAPIKey{
		ID: id, Name: name, Scope: string(scope), Hash: sha256.Sum256([]byte(proof)), For: lasts,
	})
	switch {
	case errors.Is(err, repo.ErrConflict):
		return key, secret.String{}, &engine.UsageError{Reason: fmt.Sprintf("an API key named %q already exists: revoke it first, or choose another name", name)}
	case errors.Is(err, repo.ErrInvalid):
		return key, secret.String{}, &engine.UsageError{Reason: err.Error()}
	case errors.Is(err, repo.ErrKeyRight) && scope == Ops:
		return key, secret.String{}, &engine.UsageError{Reason: "only the owner of the tables may create a key of the scope ops: for this command, set DATABASE_URL to that of the owner"}
	case errors.Is(err, repo.ErrKeyRight):
		return key, secret.String{}, errKeyRole
	case err != nil:
		return key, secret.String{}, err
	}
	return key, secret.NewString(keyMark + hex.EncodeToString(id[:]) + "_" + proof), nil
}

// errKeyRole reports that DATABASE_URL of a command names a role that may not change API
// keys, such as that of a worker.
var errKeyRole = &engine.UsageError{Reason: "the role in DATABASE_URL may not create or revoke API keys: set DATABASE_URL to that of the CLI's role, " +
	"which gets its rights from \"worker migrate --grant-cli-to ROLE\""}

// RevokeKey revokes the key whose name or id is ref and ends the sessions that were started
// with the key. It returns the number of sessions that it ended. Revoking a key twice is
// safe.
func RevokeKey(ctx context.Context, store *repo.Store, tenant, actor, ref string) (repo.APIKey, int, error) {
	key, sessions, err := store.RevokeAPIKey(ctx, tenant, actor, ref)
	return key, sessions, keyError(err, ref)
}

// FindKey returns the key with the name or id ref.
func FindKey(ctx context.Context, store *repo.Store, tenant, ref string) (repo.APIKey, error) {
	key, err := store.FindAPIKey(ctx, tenant, ref)
	return key, keyError(err, ref)
}

// keyError adds advice to errors about a key.
func keyError(err error, ref string) error {
	if errors.Is(err, repo.ErrNotFound) {
		return &engine.NotFoundError{What: "API key", Name: ref, Hint: `"enqueue apikey list" shows those of this tenant`}
	}
	if errors.Is(err, repo.ErrKeyRight) {
		return errKeyRole
	}
	return err
}

// errRefused means that a credential is unknown, expired, revoked or used up.
// It does not say which, so that it reveals nothing to unauthenticated clients.
var errRefused = errors.New("credential rejected")

// byKey returns the principal of an API key.
func byKey(ctx context.Context, store *repo.Store, text string) (Principal, uuid.UUID, error) {
	id, proof, ok := parseKey(text)
	if !ok {
		return Principal{}, uuid.Nil, errRefused
	}
	key, err := store.APIKeyProof(ctx, id)
	if err != nil && !errors.Is(err, repo.ErrNotFound) {
		return Principal{}, uuid.Nil, err
	}
	hash := sha256.Sum256([]byte(proof))
	if subtle.ConstantTimeCompare(hash[:], key.Hash) != 1 || !key.Valid { // an unknown key has no hash
		return Principal{}, uuid.Nil, errRefused
	}
	if key.Stale {
		if err := store.TouchAPIKey(ctx, key.Tenant, id); err != nil {
			return Principal{}, uuid.Nil, err
		}
	}
	return Principal{Tenant: key.Tenant, Actor: "key:" + key.Name, Scope: Scope(key.Scope)}, id, nil
}

// firstKeyTTL is how long firstKey caches the answer.
const firstKeyTTL = 3 * time.Second

// firstKey caches whether any API key exists. Until a key exists, sign-in is impossible,
// and the guard explains how to create a key.
type firstKey struct {
	notNeeded bool // sign-in tokens work without a key
	mu        sync.Mutex
	exists    bool
	err       error
	until     time.Time
}

// ask reports whether any key exists. Concurrent requests share one database
// query.
func (f *firstKey) ask(ctx context.Context, now func() time.Time, query func(context.Context) (bool, error)) (bool, error) {
	if f.notNeeded {
		return true, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now().Before(f.until) {
		return f.exists, f.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firstKeyTTL)
	defer cancel()
	f.exists, f.err = query(ctx)
	f.until = now().Add(firstKeyTTL)
	return f.exists, f.err
}

// hasKey reports whether any API key exists. If it returns false, it has
// answered the request.
func (g *Guard) hasKey(w http.ResponseWriter, r *http.Request) bool {
	exists, err := g.firstKey.ask(r.Context(), g.now, g.store.AnyAPIKey)
	switch {
	case err != nil:
		g.unavailable(w, r, err)
		return false
	case !exists:
		refuse(w, r, http.StatusServiceUnavailable, noKeyText)
		return false
	}
	return true
}

const noKeyText = `There is no API key yet, so signing in is not possible. Create one on a machine that can reach the database, and try again in a few seconds:

  enqueue apikey new NAME --scope admin`
