package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// sessionLasts is how long a sign-in is good for at most. Without a sign of
// life it is over after [repo.SessionIdle].
const sessionLasts = 12 * time.Hour

// The cookie of a session. With the prefix __Host- a browser takes it from this
// very host alone, over TLS, for all of its paths.
const (
	cookieName      = "__Host-halosync"
	plainCookieName = "halosync"
)

// cookie is the session's cookie, without a value. Plain http is for a worker on
// the technician's own machine. In a page of another site only a cookie that
// says so is sent, and one that is kept apart for each such site.
func (g *Guard) cookie(r *http.Request) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode} //nolint:gosec // plain http on the machine itself: see above
	switch {
	case len(g.embed) > 0:
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	case local(r) && r.TLS == nil:
		c.Name, c.Secure = plainCookieName, false
	}
	return c
}

// setCookie gives the browser its cookie, or takes it back.
func (g *Guard) setCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	c := g.cookie(r) //nolint:gosec // its attributes are set there
	c.Value, c.MaxAge = value, maxAge
	http.SetCookie(w, c)
}

// begin starts a session for p and gives it to the browser. The one that the
// browser had ends.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, p Principal, key *uuid.UUID) error {
	if err := g.endSession(r); err != nil {
		return err
	}
	proof := newProof()
	err := g.store.AddSession(r.Context(), p.Tenant, repo.NewSession{
		Hash: sha256.Sum256([]byte(proof)), Actor: p.Actor, Scope: string(p.Scope), APIKeyID: key, For: sessionLasts,
	})
	if err != nil {
		return err
	}
	g.setCookie(w, r, proof, int(sessionLasts.Seconds()))
	return nil
}

// bySession is whoever has the cookie of a session.
func (g *Guard) bySession(ctx context.Context, r *http.Request) (Principal, error) {
	hash, ok := g.sessionHash(r)
	if !ok {
		return Principal{}, errRefused
	}
	s, err := g.store.Session(ctx, hash)
	if errors.Is(err, repo.ErrNotFound) {
		return Principal{}, errRefused
	}
	if err != nil {
		return Principal{}, err
	}
	if s.Stale {
		if err := g.store.TouchSession(ctx, s.Tenant, hash); err != nil {
			return Principal{}, err
		}
	}
	return Principal{Tenant: s.Tenant, Actor: s.Actor, Scope: Scope(s.Scope), Session: true}, nil
}

// endSession ends the session that a request has the cookie of, if any.
func (g *Guard) endSession(r *http.Request) error {
	p, err := g.bySession(r.Context(), r)
	if errors.Is(err, errRefused) {
		return nil
	}
	if err != nil {
		return err
	}
	hash, _ := g.sessionHash(r)
	return g.store.EndSession(r.Context(), p.Tenant, hash)
}

func (g *Guard) sessionHash(r *http.Request) (hash [32]byte, ok bool) {
	c, err := r.Cookie(g.cookie(r).Name)
	if err != nil || !isProof(c.Value) {
		return hash, false
	}
	return sha256.Sum256([]byte(c.Value)), true
}
