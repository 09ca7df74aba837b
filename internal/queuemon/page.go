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

// noncePlaceholder marks where the nonce goes in the page.
const noncePlaceholder = "NONCE-OF-THIS-ANSWER"

// page is asynqmon's HTML document, split where the nonce goes.
type page []string

var (
	// The expression foreign matches elements that load from other sites (two fonts), and
	// the manifest, which browsers request without the session's cookie.
	foreign = regexp.MustCompile(`<link [^>]*(?:href="https?://|rel="manifest")[^>]*>`)
	script  = regexp.MustCompile(`<script\b`)
	head    = regexp.MustCompile(`<head>`)
)

// pageOf reads the document from asynqmon and adds a nonce to each script. It also adds a
// meta element from which JSS, the style library, reads the nonce.
func pageOf(from http.Handler) (page, error) {
	got := &answer{header: http.Header{}}
	from.ServeHTTP(got, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: Root + "/"}, Header: http.Header{}})
	text := foreign.ReplaceAllString(got.String(), "")
	if n := len(script.FindAllString(text, -1)); n == 0 || len(head.FindAllString(text, -1)) != 1 {
		return nil, fmt.Errorf("asynqmon: unexpected page (%d scripts in %d bytes): this release is not supported", n, len(text))
	}
	text = script.ReplaceAllString(text, `<script nonce="`+noncePlaceholder+`"`)
	text = head.ReplaceAllString(text, `<head><meta property="csp-nonce" content="`+noncePlaceholder+`">`)
	return strings.Split(text, noncePlaceholder), nil
}

// answer records a handler's response.
type answer struct {
	bytes.Buffer
	header http.Header
}

// Header returns the headers of the response.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader ignores the status, because pageOf checks the body.
func (a *answer) WriteHeader(int) {}

func (p page) serve(w http.ResponseWriter) {
	nonce := rand.Text()
	w.Header().Set("Content-Security-Policy", policy(nonce))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(strings.Join(p, nonce))) // fails only if the client has disconnected
}

// policy returns the content security policy of asynqmon's page. It allows scripts and
// styles with the nonce, images and data from this site, and no frames.
func policy(nonce string) string {
	return "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce + "'; " +
		"img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
}

// secure sets the headers of all responses. The policy forbids scripts; asynqmon's page
// sets its own policy. No site, not even the product, may embed the pages, because they
// show the tasks of all tenants.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
