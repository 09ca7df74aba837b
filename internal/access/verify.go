package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
)

// Credentials are verified in two separate queues. A credential whose stamp or
// signature shows that this installation or the product issued it is always
// looked up. Every other credential counts as a guess: guesses are looked up one
// at a time, within the allowances of [throttle]. Guesses therefore cannot delay
// or block an issued credential, however many there are.
const (
	// maxLookups bounds concurrent queries for issued credentials.
	maxLookups = 4
	// maxGuesses bounds concurrent queries for guesses.
	maxGuesses = 1
	// guessTimeout bounds how long a guess waits for its turn and its query.
	guessTimeout = 5 * time.Second
)

// lane is a semaphore that bounds concurrent queries.
type lane chan struct{}

// do waits for a free place in the lane and then calls f.
func (l lane) do(ctx context.Context, f func(context.Context) error) error {
	select {
	case l <- struct{}{}:
		defer func() { <-l }()
		return f(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitError means that the client made too many failed attempts. The credential
// was rejected, or was not verified at all.
type waitError struct{ after time.Duration }

func (e *waitError) Error() string { return "too many failed attempts" }

// seconds returns the wait in whole seconds, for the Retry-After header.
func (e *waitError) seconds() int { return int(e.after/time.Second) + 1 }

// credential is a secret that a request presents.
type credential struct {
	hash   [32]byte // SHA-256 of the whole credential
	issued bool     // its stamp or its signature is valid
	// free means that a rejection does not count as a failed attempt. This
	// applies to sessions of this installation, because an open page continues
	// to send its session cookie after the session has ended.
	free bool
}

func newCredential(text string, issued bool) credential {
	return credential{hash: sha256.Sum256([]byte(text)), issued: issued}
}

// verify calls lookUp for a credential, and counts a rejection as a failed
// attempt of the client. It returns errRefused or, after too many failed
// attempts, a [*waitError]. A credential that was rejected within the last
// minute is rejected without a query.
func (g *Guard) verify(r *http.Request, c credential, lookUp func(context.Context) error) error {
	if !c.issued && !g.throttle.accepted(c.hash) {
		return g.guess(r, c, lookUp)
	}
	if g.throttle.rejected(c.hash, g.now()) {
		return g.reject(r, c)
	}
	err := g.lookups.do(r.Context(), lookUp)
	if errors.Is(err, errRefused) {
		g.throttle.reject(c.hash, g.now())
		return g.reject(r, c)
	}
	return err
}

// guess verifies a credential that this installation may not have issued. It
// counts as an attempt of the client unless the credential is accepted.
// Credentials that were issued before stamps were introduced are accepted.
func (g *Guard) guess(r *http.Request, c credential, lookUp func(context.Context) error) error {
	undo, wait := g.throttle.charge(network(g.client(r)), g.now())
	if wait > 0 {
		return &waitError{wait}
	}
	ctx, cancel := context.WithTimeout(r.Context(), guessTimeout)
	defer cancel()
	err := g.guesses.do(ctx, lookUp)
	switch {
	case err == nil:
		undo()
		g.throttle.accept(c.hash)
	case errors.Is(err, errRefused):
		g.logFailure(r)
	}
	return err
}

// reject returns the error for a rejected credential. It logs only rejections
// within the client's allowance, so that a flood does not fill the log.
func (g *Guard) reject(r *http.Request, c credential, details ...zap.Field) error {
	if c.free {
		return errRefused
	}
	if _, wait := g.throttle.charge(network(g.client(r)), g.now()); wait > 0 {
		return &waitError{wait}
	}
	g.logFailure(r, details...)
	return errRefused
}

// client returns the address of the client that sent a request.
func (g *Guard) client(r *http.Request) netip.Addr {
	g.hintAtProxy(r)
	return g.proxies.client(r)
}

func (g *Guard) logFailure(r *http.Request, details ...zap.Field) {
	g.log.Info("authentication failed", append(details, zap.Stringer("client", g.client(r)), zap.String("path", r.URL.Path))...)
}

// tryKey verifies an API key.
func (g *Guard) tryKey(r *http.Request, text string) (p Principal, id uuid.UUID, err error) {
	id, proof, ok := parseKey(text)
	if !ok {
		return p, id, g.reject(r, credential{})
	}
	s, err := g.stamps.get(r.Context(), g.store, g.now)
	if err != nil {
		return p, id, err
	}
	err = g.verify(r, newCredential(text, s.made(forKey(id), proof)), func(ctx context.Context) error {
		p, id, err = byKey(ctx, g.store, text)
		return err
	})
	return p, id, err
}
