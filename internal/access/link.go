package access

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

// The product signs its user in with a link that contains a token. Every answer
// to the link is a redirect, so the token does not stay in the address bar of
// the browser. If the browser already has a session of another user, a cookie
// keeps the token until the person confirms the change. Without the
// confirmation, a link on another site could sign the person in to a stranger's
// account unnoticed.

const (
	// linkCookie holds a sign-in token that waits for confirmation.
	linkCookie = "halosync_link"
	// usedTokenKept is how long the hash of a used token is stored, by the
	// clock of Postgres. It exceeds the lifetime of every token, even if the
	// clocks of the workers differ by minutes.
	usedTokenKept = 10 * time.Minute
)

// Change is a sign-in that a person has to confirm.
type Change struct {
	From Principal // the session that would end; zero if it has already ended
	To   Principal
	Path string // the page to open afterwards
}

// linkMessage explains why a link did not sign anyone in.
type linkMessage struct {
	status int
	text   string
}

// linkMessages lists the reasons by the value of the query parameter link of
// the sign-in page.
var linkMessages = map[string]linkMessage{
	"expired":     {http.StatusUnauthorized, "This sign-in link has expired. Open the page from your product again."},
	"too-many":    {http.StatusTooManyRequests, tooManyText},
	"unavailable": {http.StatusServiceUnavailable, "The database does not answer, so signing in is not possible. Open the page from your product again in a few seconds."},
}

// link is a sign-in link with a valid token.
type link struct {
	token string
	user  Principal
	id    [32]byte // hash of the token's jti
}

// readLink verifies a token without a query to the database.
func (g *Guard) readLink(r *http.Request, token string) (link, error) {
	user, id, err := readToken(token, g.secrets, g.now())
	if err != nil {
		return link{}, g.reject(r, credential{}, zap.NamedError("token", err))
	}
	user.signinSecret = string(signedWith(token, g.secrets))
	return link{token, user, id}, nil
}

// signInByLink signs a user of the product in, or asks for confirmation.
func (g *Guard) signInByLink(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer") // the token is in the URL
	next := localPath(r.URL.Query().Get("next"))
	l, err := g.readLink(r, r.URL.Query().Get("token"))
	if err != nil {
		g.linkFailed(w, r, err, next)
		return
	}
	present, err := g.presentSession(r)
	switch {
	case err != nil:
		g.linkFailed(w, r, err, next)
	case present.Tenant != "" && (present.Tenant != l.user.Tenant || present.Actor != l.user.Actor):
		http.SetCookie(w, g.site.cookie(linkCookie, l.token, int(maxTokenLife.Seconds()), g.site.secureLinks()))
		http.Redirect(w, r, "/signin/change?"+url.Values{"next": {next}}.Encode(), http.StatusSeeOther)
	default:
		g.useLink(w, r, l, next)
	}
}

// showChange asks whether to end the present session and sign in with the link.
func (g *Guard) showChange(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	l, err := g.readLink(r, g.waitingLink(r))
	var present Principal
	if err == nil {
		present, err = g.presentSession(r)
	}
	if err != nil {
		g.linkFailed(w, r, err, next)
		return
	}
	g.changePage(w, r, Change{From: present, To: l.user, Path: next})
}

// change signs in with the waiting link.
func (g *Guard) change(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.FormValue("next"))
	l, err := g.readLink(r, g.waitingLink(r))
	g.forgetLink(w, r)
	if err != nil {
		g.linkFailed(w, r, err, next)
		return
	}
	g.useLink(w, r, l, next)
}

// useLink marks the token as used and starts a session.
func (g *Guard) useLink(w http.ResponseWriter, r *http.Request, l link, next string) {
	err := g.verify(r, newCredential(l.token, true), func(ctx context.Context) error {
		first, err := g.store.UseSigninToken(ctx, l.user.Tenant, l.id, usedTokenKept)
		if err == nil && !first {
			return errRefused
		}
		return err
	})
	if err != nil {
		g.linkFailed(w, r, err, next)
		return
	}
	g.signedIn(w, r, l.user, nil, next)
}

// presentSession returns the principal of the browser's session, or the zero
// Principal if it has none.
func (g *Guard) presentSession(r *http.Request) (Principal, error) {
	p, err := g.session(r)
	var wait *waitError
	if errors.Is(err, errRefused) || errors.As(err, &wait) {
		return Principal{}, nil
	}
	return p, err
}

// linkFailed redirects to the sign-in page, which explains the error.
func (g *Guard) linkFailed(w http.ResponseWriter, r *http.Request, err error, next string) {
	reason := "expired"
	var wait *waitError
	switch {
	case errors.As(err, &wait):
		reason = "too-many"
		g.refused(r, repo.SecuritySignIn, repo.SecurityThrottled)
	case errors.Is(err, errRefused):
		g.refused(r, repo.SecuritySignIn, repo.SecurityRefused)
	default:
		reason = "unavailable"
		g.log.Warn("authentication unavailable", zap.Error(err))
	}
	http.Redirect(w, r, "/signin?"+url.Values{"link": {reason}, "next": {next}}.Encode(), http.StatusSeeOther)
}

// waitingLink returns the token that waits for confirmation, or "".
func (g *Guard) waitingLink(r *http.Request) string {
	if c, err := r.Cookie(g.site.cookie(linkCookie, "", 0, g.site.secureLinks()).Name); err == nil {
		return c.Value
	}
	return ""
}

// forgetLink deletes the waiting token from the browser.
func (g *Guard) forgetLink(w http.ResponseWriter, r *http.Request) {
	if g.waitingLink(r) != "" {
		http.SetCookie(w, g.site.cookie(linkCookie, "", -1, g.site.secureLinks()))
	}
}
