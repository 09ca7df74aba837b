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

// The secret of a key or session ends with a stamp: a MAC of the rest. With it,
// a worker recognises the credentials of its installation without a query, so
// that made-up ones neither reach Postgres nor get in the way of valid ones.
// The stamp proves nothing else: every credential is still looked up by its
// hash.
//
// The MAC's key is the id of the installation, which all programs read from the
// database. Someone who knows the id can cause queries, but can guess no
// credential, because the rest of the secret is random.
const (
	stampLength  = 12                        // base32 characters, 60 bits
	randomLength = proofLength - stampLength // base32 characters, 200 bits
)

// forSession is what the stamp of a session is made for.
const forSession = "session"

// forKey returns what the stamp of a key is made for. The key's id is part of
// it, so that a known secret cannot be tried with many ids.
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

// made reports whether a secret has the right stamp.
func (s *stamper) made(purpose, proof string) bool {
	return isProof(proof) && hmac.Equal([]byte(proof[randomLength:]), []byte(s.stamp(purpose, proof[:randomLength])))
}

func (s *stamper) stamp(purpose, random string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(purpose + " " + random))
	return base32.StdEncoding.EncodeToString(mac.Sum(nil))[:stampLength]
}

// stamps caches the stamper of a guard.
type stamps struct {
	mu    sync.Mutex
	known *stamper
	err   error
	until time.Time // end of the error's validity
}

// get returns the stamper. Concurrent requests share one query, and so do
// requests within a second after an error.
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
