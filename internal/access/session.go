package access

import (
	"context"
	"crypto/hmac"
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

// These are the names of the session cookie. The plain name is used only
// without HALOSYNC_PUBLIC_URL, over plain http on the technician's own machine.
const (
	plainCookieName = "halosync"
	cookieName      = hostPrefix + plainCookieName
)

// setSession sets the session cookie under one of its two names and deletes the
// cookie with the other name. A negative maxAge deletes both.
func (g *Guard) setSession(w http.ResponseWriter, r *http.Request, value string, maxAge int, secure bool) {
	for _, other := range []bool{false, true} {
		c := g.site.cookie(plainCookieName, "", -1, other)
		if _, err := r.Cookie(c.Name); err == nil && (other != secure || maxAge < 0) {
			http.SetCookie(w, c)
		}
	}
	if maxAge >= 0 {
		http.SetCookie(w, g.site.cookie(plainCookieName, value, maxAge, secure))
	}
}

// begin starts a session for p and sets its cookie. It ends the browser's
// previous session.
//
// The argument key is nil for a user of the product.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, p Principal, key *uuid.UUID) error {
	if err := g.endSession(r); err != nil {
		return err
	}
	stamps, err := g.stamps.get(r.Context(), g.store, g.now)
	if err != nil {
		return err
	}
	proof := stamps.proof(forSession)
	session := repo.NewSession{Hash: sha256.Sum256([]byte(proof)), Actor: p.Actor, Scope: string(p.Scope), APIKeyID: key, For: maxSession}
	if key == nil {
		session.SigninSecret = []byte(p.signinSecret)
	}
	if err := g.store.AddSession(repo.WithOrigin(r.Context(), g.origin(r)), p.Tenant, session); err != nil {
		return err
	}
	g.setSession(w, r, proof, int(maxSession.Seconds()), g.site.secure() || key == nil && g.site.secureLinks())
	return nil
}

// session returns the principal of the request's session cookie.
func (g *Guard) session(r *http.Request) (p Principal, err error) {
	cookie, ok := g.sessionCookie(r)
	if !ok {
		return p, errRefused
	}
	stamps, err := g.stamps.get(r.Context(), g.store, g.now)
	if err != nil {
		return p, err
	}
	c := newCredential(cookie, stamps.made(forSession, cookie))
	c.free = c.issued
	err = g.verify(r, c, func(ctx context.Context) error {
		p, err = g.bySession(ctx, cookie)
		return err
	})
	return p, err
}

// bySession looks up the session with a cookie's value.
func (g *Guard) bySession(ctx context.Context, cookie string) (Principal, error) {
	hash := sha256.Sum256([]byte(cookie))
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
	p := Principal{Tenant: s.Tenant, Actor: s.Actor, Scope: Scope(s.Scope), Session: true, SessionID: s.ID}
	mac := hmac.New(sha256.New, []byte(cookie))
	mac.Write([]byte("signatures of the session"))
	copy(p.signer[:], mac.Sum(nil))
	return p, nil
}

// endSession ends the session of the request's cookie, if the request has one.
func (g *Guard) endSession(r *http.Request) error {
	p, err := g.presentSession(r)
	if err != nil || p.Tenant == "" {
		return err
	}
	_, err = g.store.EndSessions(repo.WithOrigin(r.Context(), g.origin(r)), p.Tenant, p.Actor, repo.SessionFilter{ID: &p.SessionID})
	return err
}

// sessionCookie returns the value of the session cookie.
func (g *Guard) sessionCookie(r *http.Request) (value string, ok bool) {
	names := []string{cookieName, plainCookieName}
	if g.site.secure() {
		names = names[:1]
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil && isProof(c.Value) {
			return c.Value, true
		}
	}
	return "", false
}
