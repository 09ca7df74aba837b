package queuemon

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// nonceMark stands in the page where the nonce of an answer goes.
const nonceMark = "NONCE-OF-THIS-ANSWER"

// page is asynqmon's document, cut where the nonce goes.
type page []string

var (
	// foreign are what the page would load from elsewhere (two fonts), and the
	// manifest, which browsers ask for without the session's cookie.
	foreign = regexp.MustCompile(`<link [^>]*(?:href="https?://|rel="manifest")[^>]*>`)
	script  = regexp.MustCompile(`<script\b`)
	head    = regexp.MustCompile(`<head>`)
)

// pageOf takes the document from asynqmon and gives each script in it a nonce,
// and a meta element from which the library that makes its styles (JSS) learns
// the nonce for them.
func pageOf(from http.Handler) (page, error) {
	got := &answer{header: http.Header{}}
	from.ServeHTTP(got, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: Root + "/"}, Header: http.Header{}})
	text := foreign.ReplaceAllString(got.String(), "")
	if n := len(script.FindAllString(text, -1)); n == 0 || len(head.FindAllString(text, -1)) != 1 {
		return nil, fmt.Errorf("asynqmon: its page is not as expected (%d scripts in %d bytes): this release of it does not fit", n, len(text))
	}
	text = script.ReplaceAllString(text, `<script nonce="`+nonceMark+`"`)
	text = head.ReplaceAllString(text, `<head><meta property="csp-nonce" content="`+nonceMark+`">`)
	return strings.Split(text, nonceMark), nil
}

// answer keeps what a handler answers.
type answer struct {
	bytes.Buffer
	header http.Header
}

// Header is what the handler says about the answer.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader is of no interest: what is no page is not as expected.
func (a *answer) WriteHeader(int) {}

func (p page) serve(w http.ResponseWriter) {
	nonce := rand.Text()
	w.Header().Set("Content-Security-Policy", policy(nonce))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(strings.Join(p, nonce))) // or nobody listens any more
}

// policy is what asynqmon's page gets along with: its scripts and styles by
// their nonce, pictures and data from here. It is in nobody's frame.
func policy(nonce string) string {
	return "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce + "'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
}

// secure sets what all answers have in common: nothing but a page runs, and what
// shows all tenants is in no frame, the product's included.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
