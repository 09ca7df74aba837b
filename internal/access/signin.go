package access

import (
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
	query := r.URL.Query()
	next := localPath(query.Get("next"))
	if link, ok := linkMessages[query.Get("link")]; ok {
		g.signInPage(w, r, link.status, link.text, next)
		return
	}
	if message := g.unfit(r); message != "" {
		g.signInPage(w, r, http.StatusForbidden, message, next)
		return
	}
	p, err := g.presentSession(r)
	switch {
	case err != nil:
		g.unavailable(w, r, err)
	case p.Tenant != "":
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath returns only paths on this host
	default:
		g.signInPage(w, r, http.StatusOK, "", next)
	}
}

// unfit explains why it is impossible to sign in at the address that the request
// names, before someone types a key. It returns "" if signing in is possible.
func (g *Guard) unfit(r *http.Request) string {
	switch {
	case g.exposed(r):
		return plainHTTP
	case g.site.PublicURL == "" && !isLoopback(hostName(r)):
		return g.site.elsewhere()
	}
	return ""
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
	if !g.mayCarryKey(r) {
		g.signInPage(w, r, http.StatusForbidden, plainHTTP, next)
		return
	}
	p, key, err := g.tryKey(r, strings.TrimSpace(r.PostForm.Get("key")))
	if err != nil {
		g.notSignedIn(w, r, err, "This key is unknown, has expired or was revoked.", next)
		return
	}
	g.signedIn(w, r, p, &key, next)
}

const plainHTTP = "This page is not encrypted, so signing in is not possible. Open it over https, through a proxy that terminates TLS."

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

// signedIn starts a session. The argument key is nil for a user of the product.
func (g *Guard) signedIn(w http.ResponseWriter, r *http.Request, p Principal, key *uuid.UUID, next string) {
	if err := g.begin(w, r, p, key); err != nil {
		if key == nil {
			g.linkFailed(w, r, err, next)
			return
		}
		g.unavailable(w, r, err)
		return
	}
	g.log.Info("signed in", zap.String("tenant", p.Tenant), zap.String("actor", p.Actor), zap.String("scope", string(p.Scope)))
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // localPath returns only paths on this host
}

// signOut ends the session and deletes the data of the site in the browser.
// Clear-Site-Data does not name "cookies", because that would delete the cookies
// of all hosts of the domain and so end a session of the product on a
// neighbouring host.
func (g *Guard) signOut(w http.ResponseWriter, r *http.Request) {
	if err := g.endSession(r); err != nil {
		g.unavailable(w, r, err)
		return
	}
	g.setSession(w, r, "", -1, false)
	g.forgetLink(w, r)
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}
