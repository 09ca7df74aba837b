package access

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// nginxDefaults is a request as nginx passes it on with "proxy_pass
// http://127.0.0.1:8080;" and nothing else: the peer is this machine, Host is
// rewritten, and no header tells of the proxy.
func nginxDefaults(q request) request {
	return q.set("Host", "127.0.0.1:8080").set("Origin", "https://halosync.example").set("Sec-Fetch-Site", "same-origin")
}

// Behind a proxy with default settings, a stranger has no privilege of the
// machine itself, and no one gets a cookie that works without TLS.
func TestProxyWithDefaults(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(cfg *Config) {
		withTokens(cfg)
		cfg.TrustedProxies = nil
	})
	key := h.key("acme", "key", Admin)
	for path, want := range map[string]int{"/metrics": 401, "/readyz": 200, "/x": 401} {
		if a := h.do(nginxDefaults(get(path))); a.status != want || strings.Contains(a.body, "ops ") {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	form := h.do(nginxDefaults(signInWith(key, "/")))
	if form.status != 403 || form.cookie != nil || !strings.Contains(form.body, "HALOSYNC_PUBLIC_URL") {
		t.Errorf("sign-in without HALOSYNC_PUBLIC_URL: %d %s", form.status, form.body)
	}
	link := h.do(nginxDefaults(get("/signin/token?token=" + token(t, nil))))
	if link.cookie == nil || link.cookie.Name != cookieName || !link.cookie.Secure {
		t.Errorf("sign-in by link: %+v", link.cookie)
	}
	if a := h.do(nginxDefaults(request{method: http.MethodPost, path: "/x", cookie: link.cookie.Name + "=" + link.cookie.Value})); a.status != 403 {
		t.Errorf("form with such a session: %d", a.status)
	}

	// With HALOSYNC_PUBLIC_URL, the same proxy works.
	public := newFixture(t, func(cfg *Config) {
		withTokens(cfg)
		cfg.Site.PublicURL = "https://halosync.example"
	})
	theirs := public.key("acme", "key", Admin)
	form = public.do(nginxDefaults(signInWith(theirs, "/runs")))
	if form.status != 303 || form.location != "/runs" || form.cookie.Name != cookieName || !form.cookie.Secure {
		t.Fatalf("sign-in with HALOSYNC_PUBLIC_URL: %+v", form)
	}
	session := form.cookie.Name + "=" + form.cookie.Value
	if a := public.do(nginxDefaults(request{method: http.MethodPost, path: "/x", cookie: session})); a.status != 200 {
		t.Errorf("form with HALOSYNC_PUBLIC_URL: %d %s", a.status, a.body)
	}
	if a := public.do(get("/x").with(plainCookieName + "=" + form.cookie.Value)); a.status != 401 {
		t.Errorf("the session in a cookie that a neighbouring host could set: %d", a.status)
	}
	htmx := nginxDefaults(get("/runs/1/live")).set("Hx-Request", "true").set("Hx-Current-Url", "https://halosync.example/runs/1")
	if a := public.do(htmx); a.header.Get("Hx-Redirect") != "/signin?next=%2Fruns%2F1" {
		t.Errorf("htmx: %v", a.header)
	}
}

// Forms are accepted from the site's own pages only, at its public address or,
// without one, over plain http on the machine itself.
func TestFormsOfThisSite(t *testing.T) {
	t.Parallel()
	here, there := Site{}, Site{PublicURL: "https://halosync.example"}
	for _, c := range []struct {
		site               Site
		host, origin, sent string
		want               error
	}{
		{here, "localhost:8080", "http://localhost:8080", "same-origin", nil},
		{here, "127.0.0.1:8080", "http://127.0.0.1:8080", "same-origin", nil},
		{here, "[::1]:8080", "http://[::1]:8080", "", nil},
		{here, "localhost:9999", "http://localhost:9999", "same-origin", nil}, // a forwarded port
		{here, "127.0.0.1:8080", "", "", nil},                                 // not a browser
		{here, "127.0.0.1:8080", "", "same-origin", nil},
		{here, "localhost:8080", "http://localhost:3000", "same-site", errOtherSite},
		{here, "localhost:8080", "http://localhost:3000", "", errOtherSite},
		{here, "localhost:8080", "null", "cross-site", errOtherSite},
		{here, "localhost:8080", "null", "", errOtherSite},
		{here, "halosync.example", "https://halosync.example", "same-origin", errOtherAddress},
		{here, "halosync.example", "http://halosync.example", "", errOtherAddress},
		{here, "rebound.example:8080", "http://rebound.example:8080", "same-origin", errOtherAddress},
		{here, "127.0.0.1:8080", "https://127.0.0.1:8080", "same-origin", errOtherAddress},
		{there, "127.0.0.1:8080", "https://halosync.example", "same-origin", nil},
		{there, "127.0.0.1:8080", "https://halosync.example", "", nil},
		{there, "halosync.example", "http://halosync.example", "same-origin", errOtherAddress},
		{there, "127.0.0.1:8080", "http://127.0.0.1:8080", "same-origin", errOtherAddress},
		{there, "halosync.example", "https://evil.example", "", errOtherSite},
		{there, "halosync.example", "https://halosync.example", "cross-site", errOtherSite},
		{there, "halosync.example", "https://halosync.example.evil.example", "", errOtherSite},
	} {
		r := httptest.NewRequest(http.MethodPost, "/x", nil)
		r.Host = c.host
		for name, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.sent} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if got := c.site.check(r); !errors.Is(got, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// The sign-in page says before someone types a key that it would be refused.
func TestSignInElsewhere(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	key := h.key("acme", "key", Read)
	for name, q := range map[string]request{
		"another name":     get("/signin").set("Host", "halosync.example"),
		"plain http":       get("/signin").from("203.0.113.9").set("X-Forwarded-Proto", "http"),
		"plain http, form": signInWith(key, "/").from("203.0.113.9").set("X-Forwarded-Proto", "http"),
		"another name too": signInWith(key, "/").set("Host", "halosync.example").set("Origin", "http://halosync.example"),
	} {
		if a := h.do(q); a.status != 403 || a.cookie != nil || !strings.HasPrefix(a.body, "form|") || strings.HasPrefix(a.body, "form||") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := h.do(get("/x").as(key).from("203.0.113.9").set("X-Forwarded-Proto", "http")); a.status != 403 || !strings.Contains(a.body, "plain http") {
		t.Errorf("a key over plain http: %d %s", a.status, a.body)
	}
	if a := h.do(get("/x").as(key).from("203.0.113.9").set("X-Forwarded-Proto", "https")); a.status != 200 {
		t.Errorf("a key over https: %d %s", a.status, a.body)
	}
}

// The listener of the metrics refuses names that another site could have chosen.
func TestOwnListener(t *testing.T) {
	t.Parallel()
	pages := OwnListener(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, c := range []struct {
		peer, host string
		status     int
	}{
		{"127.0.0.1:1", "127.0.0.1:8081", 204},
		{"127.0.0.1:1", "LocalHost:8081", 204},
		{"[::1]:1", "[::1]:8081", 204},
		{"[::ffff:127.0.0.1]:1", "localhost", 204},
		{"10.1.2.3:1", "10.0.0.7:8081", 204},
		{"10.1.2.3:1", "worker-1.halosync:8081", 204},
		{"127.0.0.1:1", "rebound.example:8081", 403},
		{"127.0.0.1:1", "localhost.evil.example", 403},
		{"[::1]:1", "", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr, r.Host = c.peer, c.host
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

// A listener that other machines can reach needs the address at which browsers open the
// console.
func TestLacksPublicURL(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]bool{
		"127.0.0.1:8080": false, "127.8.9.1:0": false, "[::1]:8080": false, "[::ffff:127.0.0.1]:80": false, "localhost:8080": false, "off": false,
		":8080": true, "0.0.0.0:8080": true, "[::]:8080": true, "10.0.0.7:8080": true, "[fe80::1%eth0]:80": true, "halosync.internal:8080": true,
	} {
		if got := (Site{}).LacksPublicURL(listen); got != want {
			t.Errorf("%s: %v", listen, got)
		}
		if (Site{PublicURL: "https://halosync.example.com"}).LacksPublicURL(listen) {
			t.Errorf("%s: the public address is set", listen)
		}
	}
}
