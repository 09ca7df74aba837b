package access

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

// showSignIn shows the sign-in form. If the browser is already signed in, it
// redirects to the page in the query parameter next.
func (g *Guard) showSignIn(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	err := g.lookUp(r.Context(), func(ctx context.Context) error {
		_, err := g.bySession(ctx, r)
		return err
	})
	switch {
	case err == nil:
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath returns only paths on this host
	case errors.Is(err, errRefused):
		g.signInPage(w, r, http.StatusOK, "", next)
	default:
		g.unavailable(w, r, err)
	}
}

// signIn starts a session for a valid API key.
func (g *Guard) signIn(w http.ResponseWriter, r *http.Request) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		refuse(w, r, http.StatusUnsupportedMediaType, "Post the form's fields, key and next, as application/x-www-form-urlencoded.")
		return
	}
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			refuse(w, r, http.StatusRequestEntityTooLarge, "The form is larger than 1 MiB.")
			return
		}
		refuse(w, r, http.StatusBadRequest, "The form could not be read.")
		return
	}
	next := localPath(r.PostForm.Get("next"))
	if insecure(r) {
		g.signInPage(w, r, http.StatusBadRequest, plainHTTP, next)
		return
	}
	p, key, err := g.tryKey(r, strings.TrimSpace(r.PostForm.Get("key")))
	if err != nil {
		g.notSignedIn(w, r, err, "This key is unknown, has expired or was revoked.", next)
		return
	}
	g.signedIn(w, r, p, &key, next)
}

// insecure reports whether a form came over plain http from another machine. In
// that case the key was exposed in transit, and the browser would reject the
// session cookie.
func insecure(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Origin"), "http://") && !overTLS(r) && !local(r)
}

const plainHTTP = "This page is not encrypted, so signing in is not possible. Open it over https, through a proxy that terminates TLS."

// signInByToken starts a session for a user who presents a sign-in token of the
// product.
func (g *Guard) signInByToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer") // the token is in the URL
	query := r.URL.Query()
	next, text := localPath(query.Get("next")), query.Get("token")
	var p Principal
	err := g.attempt(r, text, func(ctx context.Context) error {
		user, id, lasts, err := readToken(text, g.secrets, g.now())
		if err != nil {
			g.log.Info("sign-in token rejected", zap.Error(err))
			return errRefused
		}
		first, err := g.store.UseSigninToken(ctx, user.Tenant, id, lasts)
		if err == nil && !first {
			return errRefused
		}
		p, p.signinSecret = user, string(signedWith(text, g.secrets))
		return err
	})
	if err != nil {
		g.notSignedIn(w, r, err, "This sign-in link has expired. Open the page from your product again.", next)
		return
	}
	g.signedIn(w, r, p, nil, next)
}

func (g *Guard) notSignedIn(w http.ResponseWriter, r *http.Request, err error, message, next string) {
	var wait *waitError
	switch {
	case errors.As(err, &wait):
		g.refused(r, repo.SecuritySignIn, repo.SecurityThrottled)
		w.Header().Set("Retry-After", strconv.Itoa(wait.seconds()))
		g.signInPage(w, r, http.StatusTooManyRequests, fmt.Sprintf("%s (%d s)", tooManyText, wait.seconds()), next)
	case errors.Is(err, errRefused):
		g.refused(r, repo.SecuritySignIn, repo.SecurityRefused)
		g.signInPage(w, r, http.StatusUnauthorized, message, next)
	default:
		g.unavailable(w, r, err)
	}
}

func (g *Guard) signedIn(w http.ResponseWriter, r *http.Request, p Principal, key *uuid.UUID, next string) {
	if err := g.begin(w, r, p, key); err != nil {
		g.unavailable(w, r, err)
		return
	}
	g.log.Info("signed in", zap.String("tenant", p.Tenant), zap.String("actor", p.Actor), zap.String("scope", string(p.Scope)))
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath returns only paths on this host
}

// signOut ends the session and deletes the cookie.
func (g *Guard) signOut(w http.ResponseWriter, r *http.Request) {
	if err := g.lookUp(r.Context(), func(context.Context) error { return g.endSession(r) }); err != nil {
		g.unavailable(w, r, err)
		return
	}
	g.setCookie(w, r, "", -1)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}
