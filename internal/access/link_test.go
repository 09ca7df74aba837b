package access

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halosync/halosync/repo/repotest"
)

// jar keeps the cookies of a browser.
type jar map[string]string

// take adds an answer's cookies.
func (j jar) take(a answer) answer {
	for _, c := range a.cookies {
		if j[c.Name] = c.Value; c.MaxAge < 0 {
			delete(j, c.Name)
		}
	}
	return a
}

// header returns the cookies as a browser sends them.
func (j jar) header() string {
	var all []string
	for name, value := range j {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}

// crossSite marks a request as caused by a page of another site.
func crossSite(q request) request { return q.set("Sec-Fetch-Site", "cross-site") }

// A link over the session of another user or tenant signs in only after a
// confirmation. Without it, the session goes on. The token is not in the address
// of any page.
func TestLinkOverASession(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	key := h.key("acme", "anna", Admin)
	mallory := func() string {
		return token(t, func(c jwt.MapClaims) { c["tenant"], c["sub"] = "evil", "mallory" })
	}
	browser := jar{}
	browser.take(h.do(signInWith(key, "/")))

	text := mallory()
	a := browser.take(h.do(crossSite(get("/signin/token?next=/connections/new&token=" + text).with(browser.header()))))
	if a.status != 303 || a.location != "/signin/change?next=%2Fconnections%2Fnew" || a.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("link: %+v", a)
	}
	if got := h.do(get("/x").with(browser.header())).body; !strings.HasPrefix(got, "acme|key:anna|") {
		t.Errorf("after the link: %s", got)
	}
	if a := h.do(get(a.location).with(browser.header())); a.body != "change|acme|key:anna|evil|user:mallory|/connections/new" {
		t.Errorf("page: %d %s", a.status, a.body)
	}
	confirm := request{method: http.MethodPost, path: "/signin/change", body: "next=%2Fconnections%2Fnew"}
	for name, forged := range map[string]request{
		"another site":   crossSite(confirm.with(browser.header())),
		"a sibling":      confirm.with(browser.header()).set("Sec-Fetch-Site", "same-site"),
		"an old browser": confirm.with(browser.header()).set("Origin", "https://evil.example"),
		"no token":       confirm.with(plainCookieName + "=" + browser[plainCookieName]),
		"a page":         get("/signin/change?next=/").with(browser.header()),
	} {
		h.do(forged)
		if got := h.do(get("/x").with(browser.header())).body; !strings.HasPrefix(got, "acme|key:anna|") {
			t.Errorf("%s: %s", name, got)
		}
	}
	before := browser.header()
	a = browser.take(h.do(confirm.with(before).set("Sec-Fetch-Site", "same-origin").set("Origin", h.base)))
	if a.status != 303 || a.location != "/connections/new" {
		t.Fatalf("confirmed: %+v", a)
	}
	if got := h.do(get("/x").with(browser.header())).body; !strings.HasPrefix(got, "evil|user:mallory|") || len(browser) != 1 {
		t.Errorf("after the confirmation: %s, %d cookies", got, len(browser))
	}
	if a := h.do(get("/x").with(before)); a.status != 401 {
		t.Errorf("the session before: %d", a.status)
	}
	if a := h.do(get("/signin/token?token=" + text)); a.location != "/signin?link=expired&next=%2F" {
		t.Errorf("the confirmed token again: %+v", a)
	}

	// The same user needs no confirmation. Neither does a browser without a session.
	again := token(t, func(c jwt.MapClaims) { c["tenant"], c["sub"], c["scope"] = "evil", "mallory", "read" })
	if a = browser.take(h.do(get("/signin/token?next=/runs&token=" + again).with(browser.header()))); a.location != "/runs" {
		t.Errorf("the same user: %+v", a)
	}
	if a = h.do(get("/signin/token?next=/runs&token=" + mallory())); a.location != "/runs" {
		t.Errorf("without a session: %+v", a)
	}
	a = browser.take(h.do(request{method: http.MethodPost, path: "/signout", cookie: browser.header() + "; " + hostPrefix + linkCookie + "=" + again}))
	if a.header.Get("Clear-Site-Data") != `"cache", "storage"` || len(a.cookies) != 2 || a.cookies[0].MaxAge >= 0 || a.cookies[1].MaxAge >= 0 {
		t.Errorf("sign-out: %v, cookies %v", a.header, a.cookies)
	}
	for _, reason := range []string{"expired", "too-many", "unavailable"} {
		a := h.do(get("/signin?next=/runs&link=" + reason))
		if a.status < 400 || !strings.HasPrefix(a.body, "form|"+linkMessages[reason].text+"|") {
			t.Errorf("%s: %d %s", reason, a.status, a.body)
		}
	}
	if a := h.do(get("/signin?link=" + url.QueryEscape("<script>"))); a.body != "form||/" {
		t.Errorf("made-up reason: %s", a.body)
	}
}

// A worker whose clock is minutes behind refuses a used token, although the
// token is still valid there. Postgres remembers the token by its own clock for
// longer than any clock may be wrong.
func TestTokenWithTwoClocks(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	for _, skew := range []time.Duration{2 * time.Second, time.Minute, 4 * time.Minute} {
		now := time.Now()
		text := token(t, func(c jwt.MapClaims) { c["iat"], c["exp"] = now.Add(-290*time.Second).Unix(), now.Unix() })
		if a := h.do(get("/signin/token?token=" + text)); a.location != "/" {
			t.Fatalf("%v: %+v", skew, a)
		}
		// This is the last second in which the slow worker accepts the token. Until
		// then, what Postgres remembers has become older.
		last := tokenLeeway - time.Second
		repotest.Exec(t, h.db, `update halosync.signin_tokens_used set expires_at = expires_at - $1::interval`, last+skew)
		slow := New(Config{
			Store: h.store, App: h.guard.app, Ops: h.guard.ops, Secrets: h.guard.secrets, SignInPage: h.guard.signInPage, ChangePage: h.guard.changePage,
		})
		slow.now = func() time.Time { return now.Add(last) }
		w := httptest.NewRecorder()
		slow.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/signin/token?token="+text, nil))
		if got := w.Header().Get("Location"); got != "/signin?link=expired&next=%2F" || len(w.Result().Cookies()) > 0 {
			t.Errorf("%v behind: %d, to %s", skew, w.Code, got)
		}
	}
}
