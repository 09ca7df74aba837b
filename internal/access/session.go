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

// maxSession is the lifetime of a session. An idle session ends earlier, after
// [repo.SessionIdle].
const maxSession = 12 * time.Hour

// These are the names of the session cookie. A browser accepts a cookie with
// the prefix __Host- only over TLS, and only for exactly this host and all
// paths.
const (
	cookieName      = "__Host-halosync"
	plainCookieName = "halosync"
)

// cookie returns the session cookie without a value. It is Secure, except over
// plain http on the technician's own machine. For an embedded console, it is
// SameSite=None, because browsers send no other cookies from a frame in another
// site. It is then also Partitioned, so that each embedding site has its own
// session.
func (g *Guard) cookie(r *http.Request) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode} //nolint:gosec // Secure is off for plain http, see above
	switch {
	case len(g.embed) > 0:
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	case local(r) && r.TLS == nil:
		c.Name, c.Secure = plainCookieName, false
	}
	return c
}

// setCookie sets the session cookie. A negative maxAge deletes it.
func (g *Guard) setCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	c := g.cookie(r) //nolint:gosec // cookie sets the attributes
	c.Value, c.MaxAge = value, maxAge
	http.SetCookie(w, c)
}

// begin starts a session for p and sets its cookie. It ends the browser's
// previous session.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, p Principal, key *uuid.UUID) error {
	if err := g.endSession(r); err != nil {
		return err
	}
	proof := newProof()
	session := repo.NewSession{Hash: sha256.Sum256([]byte(proof)), Actor: p.Actor, Scope: string(p.Scope), APIKeyID: key, For: maxSession}
	if key == nil {
		session.SigninSecret = []byte(p.signinSecret)
	}
	if err := g.store.AddSession(repo.WithOrigin(r.Context(), originOf(r)), p.Tenant, session); err != nil {
		return err
	}
	g.setCookie(w, r, proof, int(maxSession.Seconds()))
	return nil
}

// bySession returns the principal of the request's session cookie.
func (g *Guard) bySession(ctx context.Context, r *http.Request) (Principal, error) {
	hash, ok := g.sessionHash(r)
	if !ok {
		return Principal{}, errRefused
	}
	s, err := g.store.Session(ctx, hash, fingerprints(g.secrets))
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
	return Principal{Tenant: s.Tenant, Actor: s.Actor, Scope: Scope(s.Scope), Session: true, SessionID: s.ID}, nil
}

// endSession ends the session of the request's cookie, if the request has one.
func (g *Guard) endSession(r *http.Request) error {
	p, err := g.bySession(r.Context(), r)
	if errors.Is(err, errRefused) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = g.store.EndSessions(repo.WithOrigin(r.Context(), originOf(r)), p.Tenant, p.Actor, repo.SessionFilter{ID: &p.SessionID})
	return err
}

func (g *Guard) sessionHash(r *http.Request) (hash [32]byte, ok bool) {
	c, err := r.Cookie(g.cookie(r).Name)
	if err != nil || !isProof(c.Value) {
		return hash, false
	}
	return sha256.Sum256([]byte(c.Value)), true
}
