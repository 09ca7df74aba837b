package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

// A key is hs_<id>_<secret>: its id, in 32 hex digits, by which it is found,
// and 52 characters of base32, which are 260 random bits. Only their SHA-256 is
// stored: what nobody can guess needs no slower hash.
const (
	keyMark     = "hs_"
	idLength    = 32
	proofLength = 52
	keyLength   = len(keyMark) + idLength + 1 + proofLength
)

// newProof makes a text of 260 random bits.
func newProof() string { return rand.Text() + rand.Text() }

// isProof says whether a text could have come from newProof.
func isProof(text string) bool {
	return len(text) == proofLength && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// parseKey takes a key apart; false for what cannot be one.
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

// NewKey makes a key of a tenant and returns it with its text, which is not
// stored and cannot be told again. lasts is 0 for a key that does not expire.
func NewKey(ctx context.Context, store *repo.Store, tenant, actor, name string, scope Scope, lasts time.Duration) (repo.APIKey, secret.String, error) {
	if !scope.Valid() {
		return repo.APIKey{}, secret.String{}, &engine.UsageError{Reason: fmt.Sprintf("scope %.40q: want read, write, admin or ops", string(scope))}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return repo.APIKey{}, secret.String{}, err
	}
	proof := newProof()
	key, err := store.AddAPIKey(ctx, tenant, actor, repo.NewAPIKey{
		ID: id, Name: name, Scope: string(scope), Hash: sha256.Sum256([]byte(proof)), For: lasts,
	})
	switch {
	case errors.Is(err, repo.ErrConflict):
		return key, secret.String{}, &engine.UsageError{Reason: fmt.Sprintf("an API key named %q exists already: revoke it first, or take another name", name)}
	case errors.Is(err, repo.ErrInvalid):
		return key, secret.String{}, &engine.UsageError{Reason: err.Error()}
	case err != nil:
		return key, secret.String{}, err
	}
	return key, secret.NewString(keyMark + hex.EncodeToString(id[:]) + "_" + proof), nil
}

// RevokeKey makes a key worth nothing, by its name or its id, and ends the
// sessions that it began, of which it says how many. It is safe to repeat.
func RevokeKey(ctx context.Context, store *repo.Store, tenant, actor, ref string) (repo.APIKey, int, error) {
	key, sessions, err := store.RevokeAPIKey(ctx, tenant, actor, ref)
	if errors.Is(err, repo.ErrNotFound) {
		return key, 0, &engine.NotFoundError{What: "API key", Name: ref, Hint: `"enqueue apikey list" shows those of this tenant`}
	}
	return key, sessions, err
}

// errRefused says that whatever was shown does not let anybody in: made up,
// somebody's once, or spent. Which of them it is, is nobody's business.
var errRefused = errors.New("not let in")

// byKey is whoever has a key.
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
	if subtle.ConstantTimeCompare(hash[:], key.Hash) != 1 || !key.Valid { // a key that is not there has no hash
		return Principal{}, uuid.Nil, errRefused
	}
	if key.Stale {
		if err := store.TouchAPIKey(ctx, key.Tenant, id); err != nil {
			return Principal{}, uuid.Nil, err
		}
	}
	return Principal{Tenant: key.Tenant, Actor: "key:" + key.Name, Scope: Scope(key.Scope)}, id, nil
}
