package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// forBrowser reports whether a browser will show the answer to a person.
func forBrowser(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// refuse answers with an explanation: plain text for a browser, a problem
// document (RFC 9457) for a program.
func refuse(w http.ResponseWriter, r *http.Request, status int, detail string) {
	if status == http.StatusServiceUnavailable || forBrowser(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, detail) //nolint:gosec // plain text with nosniff
		return
	}
	doc, _ := json.Marshal(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail}) // plain values
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(doc) // fails only if the client has disconnected
}

// statusOnly shortens a readiness report to one line, because the full report
// names internal addresses.
type statusOnly struct {
	http.ResponseWriter
	written bool
}

// WriteHeader writes the status and one line of text.
func (w *statusOnly) WriteHeader(status int) {
	word := "ready\n"
	if status != http.StatusOK {
		word = "not ready; the reasons are at /readyz of HALOSYNC_METRICS_ADDR\n"
	}
	w.written = true
	w.ResponseWriter.WriteHeader(status)
	_, _ = w.ResponseWriter.Write([]byte(word)) // fails only if the client has disconnected
}

// Write discards p.
func (w *statusOnly) Write(p []byte) (int, error) {
	if !w.written {
		w.WriteHeader(http.StatusOK)
	}
	return len(p), nil
}

// tooManyAttempts answers 429 to a client with too many failed attempts.
func (g *Guard) tooManyAttempts(w http.ResponseWriter, r *http.Request, e *waitError) {
	w.Header().Set("Retry-After", strconv.Itoa(e.seconds()))
	refuse(w, r, http.StatusTooManyRequests, tooManyText)
}

const tooManyText = "Too many failed attempts. Wait a moment, then try again."

// unavailable answers 503 to a request that cannot be authenticated because the
// database is unavailable.
func (g *Guard) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // otherwise the client has disconnected
		g.log.Warn("authentication unavailable", zap.Error(err))
	}
	w.Header().Set("Retry-After", "5")
	refuse(w, r, http.StatusServiceUnavailable, "The database does not answer, so the request cannot be authenticated. Try again in a few seconds.")
}

// unauthorized answers 401 to a program and redirects a browser to the sign-in
// page. After signing in, the browser returns to the requested page.
func (g *Guard) unauthorized(w http.ResponseWriter, r *http.Request) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case r.Header.Get("Hx-Request") == "true": // a fragment for a page that is still open
		w.Header().Set("Hx-Redirect", signInPath(g.currentPage(r)))
	case reads && forBrowser(r) && r.Header.Get("Authorization") == "":
		http.Redirect(w, r, signInPath(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	w.Header().Set("Www-Authenticate", `Bearer realm="halosync"`)
	refuse(w, r, http.StatusUnauthorized, "Send a valid API key: Authorization: Bearer KEY. In a browser, sign in at /signin.")
}

// currentPage returns the path of the page that requested a fragment.
func (g *Guard) currentPage(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("Hx-Current-Url"))
	if err != nil || !g.site.own(u.Scheme+"://"+u.Host, r.Host) {
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

// localPath returns the page to open after signing in. This is the argument next if next is
// a page of the console, and otherwise the first page. It never returns the address of
// another host, however next is spelled.
func localPath(next string) string {
	const maxLength = 2000 // bytes
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(next, `\`) || strings.HasPrefix(path, "/signin") || strings.HasPrefix(path, "/signout") {
		return "/"
	}
	for _, c := range []byte(next) { // browsers ignore some of these characters
		if c <= ' ' || c == 0x7f {
			return "/"
		}
	}
	local := (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
	if len(local) > maxLength { // escaping can lengthen it
		return "/"
	}
	return local
}
