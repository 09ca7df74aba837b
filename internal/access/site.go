package access

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Site describes how browsers reach the service.
type Site struct {
	// PublicURL is the origin at which browsers reach the service, see
	// [ParsePublicURL]. If it is empty, the console can be used only over plain
	// http at a name of the machine itself, such as http://localhost:8080.
	PublicURL string
	// EmbedOrigins lists the origins that may embed the console in their pages,
	// see [ParseOrigins].
	EmbedOrigins []string
}

var originHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

// ParseOrigins parses the entries of HALOSYNC_EMBED_ORIGINS, the sites that may
// embed the console. Each entry is https://host or https://host:port; plain
// http is accepted for localhost only.
func ParseOrigins(list []string) ([]string, error) {
	var origins []string
	for _, text := range list {
		origin, err := parseOrigin(text)
		if err != nil {
			return nil, err
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// ParsePublicURL parses HALOSYNC_PUBLIC_URL and returns its origin in the form
// that browsers send. An empty string is valid.
func ParsePublicURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	origin, err := parseOrigin(text)
	if err != nil {
		return "", err
	}
	for _, suffix := range []string{"https:443", "http:80"} {
		if scheme, port, _ := strings.Cut(suffix, ":"); strings.HasPrefix(origin, scheme+"://") {
			origin = strings.TrimSuffix(origin, ":"+port) // browsers omit the default port
		}
	}
	return origin, nil
}

func parseOrigin(text string) (string, error) {
	text = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(text), "/"))
	u, err := url.Parse(text)
	if err != nil || u.Scheme+"://"+u.Host != text || !originHost.MatchString(u.Host) {
		return "", fmt.Errorf("%.80q: want an origin such as https://app.example.com, without a path", text)
	}
	if name := u.Hostname(); u.Scheme != "https" && (u.Scheme != "http" || name != "localhost" && name != "127.0.0.1") {
		return "", fmt.Errorf("%.80q: want https", text)
	}
	return text, nil
}

// LacksPublicURL reports whether other machines can reach a listener at the address listen,
// but PublicURL is not set, so that only people on this machine can sign in.
func (s Site) LacksPublicURL(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && s.PublicURL == "" && !isLoopback(host)
}

// https reports whether browsers use https.
func (s Site) https() bool { return strings.HasPrefix(s.PublicURL, "https://") }

// secure reports whether cookies need TLS. The cookies of an embedded console
// need TLS, because from a frame in another site, browsers send only such
// cookies.
func (s Site) secure() bool { return s.https() || len(s.EmbedOrigins) > 0 }

// secureLinks reports whether the cookies of sign-in by link need TLS. Without
// HALOSYNC_PUBLIC_URL, the origin of a form shows whether the browser uses plain
// http on this machine. A link has no origin, and a proxy that terminates TLS
// may have forwarded it. Most browsers accept cookies with the attribute Secure
// from localhost, too.
func (s Site) secureLinks() bool { return s.secure() || s.PublicURL == "" }

// hostPrefix begins the name of every cookie that needs TLS. A browser accepts
// such a cookie only over TLS, and only for exactly this host and all paths, so
// a neighbouring host cannot set it.
const hostPrefix = "__Host-"

// Cookie returns a cookie that scripts cannot read, for all pages of the site. A
// negative maxAge deletes it. In an embedded console, the cookie is
// SameSite=None, and Partitioned, so that each embedding site has its own.
func (s Site) Cookie(name, value string, maxAge int) *http.Cookie {
	return s.cookie(name, value, maxAge, s.secure())
}

// ReadCookie returns the value of a cookie from [Site.Cookie], or an empty
// string if the request has none.
func (s Site) ReadCookie(r *http.Request, name string) string {
	if s.secure() {
		name = hostPrefix + name
	}
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

func (s Site) cookie(name, value string, maxAge int, secure bool) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, MaxAge: maxAge, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure} //nolint:gosec // without TLS only on the machine itself
	if secure {
		c.Name = hostPrefix + name
	}
	if len(s.EmbedOrigins) > 0 {
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	}
	return c
}

// own reports whether an origin is the origin of the service's pages. The
// argument host is the host that the request names.
func (s Site) own(origin, host string) bool {
	if s.PublicURL != "" {
		return origin == s.PublicURL
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && strings.EqualFold(u.Host, host) && isLoopback(u.Hostname())
}

var (
	errOtherSite    = errors.New("form of another site")
	errOtherAddress = errors.New("form of the service's own page at an unknown address")
)

// check returns an error if a request that may change something comes from a
// page that does not belong to the service. Programs other than browsers send
// neither Sec-Fetch-Site nor Origin.
func (s Site) check(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	same := site == "same-origin" || site == "none"
	switch {
	case site != "" && !same:
		return errOtherSite
	case origin == "" || s.own(origin, r.Host):
		return nil
	case same || strings.HasSuffix(origin, "://"+r.Host):
		return errOtherAddress
	}
	return errOtherSite
}

// elsewhere returns the message for a page that was opened at an address other
// than PublicURL.
func (s Site) elsewhere() string {
	if s.PublicURL != "" {
		return "This page was opened at another address. Open it at " + s.PublicURL + "."
	}
	return "Signing in at this address is not possible. Ask the operator to set HALOSYNC_PUBLIC_URL to the address at which you open this page, with https."
}

// refusesForm answers a form that does not come from one of the site's pages. It
// returns false for all other requests.
func (g *Guard) refusesForm(w http.ResponseWriter, r *http.Request) bool {
	switch err := g.site.check(r); {
	case err == nil:
		return false
	case errors.Is(err, errOtherSite):
		refuse(w, r, http.StatusForbidden, "The request came from a page of another site.")
	case r.URL.Path == "/signin":
		g.signInPage(w, r, http.StatusForbidden, g.site.elsewhere(), "")
	default:
		refuse(w, r, http.StatusForbidden, g.site.elsewhere())
	}
	return true
}
