package access

import (
	"net/http"
	"path"
	"strings"
)

// policy returns the Content-Security-Policy. It permits neither inline code
// nor content from other sites.
func policy(embed []string) string {
	ancestors := "'none'"
	if len(embed) > 0 {
		ancestors = "'self' " + strings.Join(embed, " ")
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors " + ancestors
}

// secure sets the security headers of every response. Referrer-Policy is same-origin,
// because browsers do not send the Origin of a form if it is no-referrer.
func (g *Guard) secure(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", g.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if len(g.site.EmbedOrigins) == 0 {
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
	if g.site.https() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if !isAsset(r) {
		h.Set("Cache-Control", "no-store")
	}
}

// isAsset reports whether a request is for a static file of the console. Static
// files are public and set their own Cache-Control.
func isAsset(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	return reads && strings.HasPrefix(r.URL.Path, "/assets/") && path.Clean(r.URL.Path) == r.URL.Path
}

// OwnListener returns the handler of a listener that serves h without
// authentication. A request from this machine must also name this machine, so
// that a page on another site cannot read the answers through a name that
// resolves to a loopback address.
func OwnListener(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy(nil))
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Cache-Control", "no-store")
		if peer(r).IsLoopback() && !isLoopback(hostName(r)) {
			refuse(w, r, http.StatusForbidden, "Request this page from the machine itself at localhost or a loopback address.")
			return
		}
		h.ServeHTTP(w, r)
	})
}
