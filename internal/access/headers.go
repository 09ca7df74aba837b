package access

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var originHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

// ParseOrigins parses the entries of HALOSYNC_EMBED_ORIGINS, the sites that may
// embed the console. Each entry is https://host or https://host:port; plain
// http is accepted for localhost only.
func ParseOrigins(list []string) ([]string, error) {
	var origins []string
	for _, text := range list {
		text = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(text), "/"))
		u, err := url.Parse(text)
		if err != nil || u.Scheme+"://"+u.Host != text || !originHost.MatchString(u.Host) {
			return nil, fmt.Errorf("%.80q: want an origin such as https://app.example.com, without a path", text)
		}
		if name := u.Hostname(); u.Scheme != "https" && (u.Scheme != "http" || name != "localhost" && name != "127.0.0.1") {
			return nil, fmt.Errorf("%.80q: want https", text)
		}
		origins = append(origins, text)
	}
	return origins, nil
}

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

// secure sets the security headers of every response. Referrer-Policy is
// same-origin because under no-referrer, browsers do not send the Origin of a
// form.
func (g *Guard) secure(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", g.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if len(g.embed) == 0 {
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
	if overTLS(r) {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if !isAsset(r) {
		h.Set("Cache-Control", "no-store")
	}
}

// overTLS reports whether the browser's connection is encrypted. Behind a
// proxy, it relies on the headers X-Forwarded-Proto and Origin.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" || r.Header.Get("Origin") == "https://"+r.Host
}

// isAsset reports whether a request is for a static file of the console. Static
// files are public and set their own Cache-Control.
func isAsset(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	return reads && strings.HasPrefix(r.URL.Path, "/assets/") && path.Clean(r.URL.Path) == r.URL.Path
}
