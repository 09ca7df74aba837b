package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// forBrowser says whether a person looks at the answer.
func forBrowser(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// refuse answers with a sentence: to a person as text, to a program as RFC 9457
// wants it.
func refuse(w http.ResponseWriter, r *http.Request, status int, detail string) {
	if status == http.StatusServiceUnavailable || forBrowser(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, detail)
		return
	}
	doc, _ := json.Marshal(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail}) // of plain values
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(doc) // or nobody listens any more
}

// Require serves those alone whose scope covers need: 403 for the others, with
// the reason, and 401 for a request that belongs to nobody.
func Require(need Scope, reason string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch p, ok := From(r.Context()); {
		case !ok:
			refuse(w, r, http.StatusUnauthorized, "Nobody has signed in.")
		case !p.Scope.Covers(need):
			refuse(w, r, http.StatusForbidden, fmt.Sprintf("This needs the scope %s, and yours is %s: %s", need, p.Scope, reason))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// reserved tells a prober elsewhere whether all is well, and not why not: that
// names addresses of ours.
type reserved struct {
	http.ResponseWriter
	told bool
}

// WriteHeader says in a word what the status means.
func (w *reserved) WriteHeader(status int) {
	word := "ready\n"
	if status != http.StatusOK {
		word = "not ready; the reasons are told on the machine itself\n"
	}
	w.told = true
	w.ResponseWriter.WriteHeader(status)
	_, _ = w.ResponseWriter.Write([]byte(word)) // or nobody listens any more
}

// Write leaves the reasons out.
func (w *reserved) Write(p []byte) (int, error) {
	if !w.told {
		w.WriteHeader(http.StatusOK)
	}
	return len(p), nil
}

// turnAway answers whoever has not signed in: a browser is sent to do so, and
// comes back.
func (g *Guard) turnAway(w http.ResponseWriter, r *http.Request) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case r.Header.Get("Hx-Request") == "true": // a part of a page that is open still
		w.Header().Set("Hx-Redirect", signInPath(currentPage(r)))
	case reads && forBrowser(r) && r.Header.Get("Authorization") == "":
		http.Redirect(w, r, signInPath(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	w.Header().Set("Www-Authenticate", `Bearer realm="halosync"`)
	refuse(w, r, http.StatusUnauthorized, "Send an API key that is in force: Authorization: Bearer KEY. In a browser, sign in at /signin.")
}

// currentPage is the page that a part was asked for from.
func currentPage(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("Hx-Current-Url"))
	if err != nil || u.Host != r.Host {
		return "/"
	}
	return u.RequestURI()
}

func signInPath(next string) string {
	if next = localPath(next); next == "/" {
		return "/signin"
	}
	return "/signin?" + url.Values{"next": {next}}.Encode()
}

// localPath is where somebody goes on after signing in: a page of ours, else the
// first one. No spelling of it leads to another host.
func localPath(next string) string {
	const most = 2000
	u, err := url.Parse(next)
	if err != nil || len(next) > most || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(next, `\`) || strings.HasPrefix(path, "/signin") || strings.HasPrefix(path, "/signout") {
		return "/"
	}
	for _, c := range []byte(next) { // browsers drop some of them, and then read on
		if c <= ' ' || c == 0x7f {
			return "/"
		}
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}
