package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// The secret of a key or session ends with a stamp, which is a MAC of the rest.
// A worker checks the stamp without a query and so recognises the credentials
// that its installation issued. Made-up credentials therefore do not load
// Postgres or delay valid ones. The stamp does not authenticate: every
// credential is still looked up by its hash.
//
// The MAC's key is the id of the installation, which all programs read from the
// database. An attacker who knows the id can cause queries but cannot guess a
// credential, because the rest of the secret is random.
const (
	stampLength  = 12                        // base32 characters, 60 bits
	randomLength = proofLength - stampLength // base32 characters, 200 bits
)

// forSession is the purpose that the stamp of a session covers.
const forSession = "session"

// forKey returns the purpose that the stamp of a key covers. It contains the
// key's id, so that an attacker cannot try one secret with many ids.
func forKey(id uuid.UUID) string { return "key " + id.String() }

// stamper makes and checks the stamps of an installation.
type stamper struct{ key []byte }

// newStamper reads the id of the installation.
func newStamper(ctx context.Context, store *repo.Store) (*stamper, error) {
	id, err := store.Installation(ctx)
	if err != nil {
		return nil, err
	}
	return &stamper{key: []byte("halosync credential of " + id)}, nil
}

// proof returns a new secret with its stamp.
func (s *stamper) proof(purpose string) string {
	random := newProof()[:randomLength]
	return random + s.stamp(purpose, random)
}

// made reports whether the stamp of a secret is valid for a purpose.
func (s *stamper) made(purpose, proof string) bool {
	return isProof(proof) && hmac.Equal([]byte(proof[randomLength:]), []byte(s.stamp(purpose, proof[:randomLength])))
}

func (s *stamper) stamp(purpose, random string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(purpose + " " + random))
	return base32.StdEncoding.EncodeToString(mac.Sum(nil))[:stampLength]
}

// stamps caches the stamper of a guard, or the error of reading it.
type stamps struct {
	mu    sync.Mutex
	known *stamper
	err   error
	until time.Time // when to read the id again after an error
}

// get returns the stamper. Concurrent requests share one query. After an error,
// requests within one second get the same error without a query.
func (s *stamps) get(ctx context.Context, store *repo.Store, now func() time.Time) (*stamper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known != nil || s.err != nil && now().Before(s.until) {
		return s.known, s.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firstKeyTTL)
	defer cancel()
	s.known, s.err = newStamper(ctx, store)
	s.until = now().Add(time.Second)
	return s.known, s.err
}
