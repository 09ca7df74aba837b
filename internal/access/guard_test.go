package access

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Requests without a valid credential are refused. Secrets do not appear in any answer, in
// any log line or anywhere in the database. The cases match the table in docs/security.md.
func TestStrangers(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	_, err := h.store.AddConnection(t.Context(), "acme", "ann", repo.NewConnection{
		Name: "main", Domain: "https://acme.halopsa.com/api", AuthServer: "https://acme.halopsa.com/auth", ClientID: "0b1f", Secret: secret.NewString("s"),
	})
	if err != nil {
		t.Fatal(err)
	}
	write, read, other, ops := h.key("acme", "write", Write), h.key("acme", "read", Read), h.key("globex", "key", Admin), h.key("acme", "ops", Ops)
	revoked, expired := h.key("acme", "revoked", Admin), h.key("acme", "expired", Admin)
	cookie, ofRevoked, ofExpired, tooOld, idle := h.signedIn(write), h.signedIn(revoked), h.signedIn(expired), h.signedIn(write), h.signedIn(write)
	if _, sessions, err := RevokeKey(t.Context(), repotest.OpenAs(t, h.db), "acme", "ann", "revoked"); err != nil || sessions != 1 {
		t.Fatal(sessions, err)
	}
	repotest.Exec(t, h.db, `update halosync.api_keys set expires_at = now() where name = 'expired'`)
	h.age(tooOld, "expires_at = now()")
	h.age(idle, "last_seen_at = now() - interval '61 minutes'")
	out := h.signedIn(write)
	if a := h.do(request{method: http.MethodPost, path: "/signout", cookie: out}); a.status != http.StatusSeeOther || a.cookie.MaxAge >= 0 {
		t.Errorf("sign-out: %+v", a)
	}

	page := map[string]string{"Accept": "text/html"}
	post := func(q request) request { q.method = http.MethodPost; return q }
	for name, c := range map[string]struct {
		request
		status int
		body   string // the whole body; empty accepts any body
	}{
		"the owner":                      {get("/x").as(write), 200, "acme|key:write|write|false|1|<nil>"},
		"the owner's browser":            {get("/x").with(cookie), 200, "acme|key:write|write|true|1|<nil>"},
		"nothing shown":                  {get("/api/v1/runs"), 401, ""},
		"a browser without credentials":  {request{method: http.MethodGet, path: "/x?y=1", header: page}, 303, ""},
		"a wrong key":                    {get("/x").as(nearMiss(write)), 401, ""},
		"a made-up key":                  {get("/x").as(keyMark + strings.Repeat("0", 32) + "_" + newProof()), 401, ""},
		"no key at all":                  {get("/x").as("nonsense"), 401, ""},
		"another tenant's key":           {get("/x").as(other), 200, "globex|key:key|admin|false|0|<nil>"},
		"a revoked key":                  {get("/x").as(revoked), 401, ""},
		"an expired key":                 {get("/x").as(expired), 401, ""},
		"a key whose scope is too small": {post(get("/x").as(read)), 403, "scope\n"},
		"a key as a password":            {request{method: http.MethodGet, path: "/x", header: map[string]string{"Authorization": "Basic " + write}}, 401, ""},
		"a key in the address":           {get("/x?key=" + write[:40]), 401, ""},
		"a made-up session":              {get("/x").with(plainCookieName + "=" + newProof()), 401, ""},
		"a key as a session":             {get("/x").with(plainCookieName + "=" + write[keyLength-proofLength:]), 401, ""},
		"an ended session":               {get("/x").with(out), 401, ""},
		"a session that is too old":      {get("/x").with(tooOld), 401, ""},
		"an idle session":                {get("/x").with(idle), 401, ""},
		"a session of a revoked key":     {get("/x").with(ofRevoked), 401, ""},
		"a session of an expired key":    {get("/x").with(ofExpired), 401, ""},
		"a forged origin":                {post(get("/x").with(cookie)).set("Origin", "https://evil.example"), 403, ""},
		"another site's form":            {post(get("/x").with(cookie)).set("Sec-Fetch-Site", "cross-site"), 403, ""},
		"another port's form":            {post(get("/x").with(cookie)).set("Sec-Fetch-Site", "same-site"), 403, ""},
		"a form of the console":          {post(get("/x").with(cookie)).set("Sec-Fetch-Site", "same-origin"), 200, "acme|key:write|write|true|1|<nil>"},
		"another site signing in":        {signInWith(write, "/").set("Sec-Fetch-Site", "cross-site"), 403, ""},
		"another site signing out":       {post(get("/signout").with(cookie)).set("Sec-Fetch-Site", "cross-site"), 403, ""},
		"an oversized form":              {signInWith(strings.Repeat("x", maxBody), "/"), 413, ""},
		"an oversized body":              {request{method: http.MethodPost, path: "/x", bearer: write, body: strings.Repeat("x", maxBody+1)}, 413, ""},
		"an oversized body in chunks":    {request{method: http.MethodPost, path: "/x", bearer: write, body: strings.Repeat("x", maxBody+1), chunked: true}, 413, ""},
		"metrics without a key":          {get("/metrics"), 401, ""},
		"metrics with a tenant's key":    {get("/metrics").as(write), 403, ""},
		"metrics in the console":         {get("/metrics").with(cookie), 403, ""},
		"metrics with the scope ops":     {get("/metrics").as(ops).set("X-Forwarded-For", "203.0.113.9"), 200, "ops /metrics\n"},
		"reasons without a key":          {get("/readyz"), 200, "ready\n"},
		"reasons with a tenant's key":    {get("/readyz").as(write), 200, "ready\n"},
		"reasons with a wrong key":       {get("/readyz").as(nearMiss(ops)), 200, "ready\n"},
		"reasons with the scope ops":     {get("/readyz").as(ops), 200, "ops /readyz\n"},
		"a page below the assets":        {get("/assets/../x"), 401, ""},
		"a form to the assets":           {post(get("/assets/a.css")), 401, ""},
		"a hidden page below assets":     {get("/assets/%2e%2e/x"), 401, ""},
	} {
		a := h.do(c.request)
		if a.status != c.status || c.body != "" && a.body != c.body {
			t.Errorf("%s: %d %q, want %d %q", name, a.status, a.body, c.status, c.body)
		}
		if a.status == 401 && (a.header.Get("Www-Authenticate") == "" || a.header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: headers %v", name, a.header)
		}
		h.guard.throttle = newThrottle() // the throttle has its own test
	}
	if a := h.do(get("/x").with(cookie)); a.status != 200 {
		t.Errorf("session after forged sign-outs: status %d", a.status)
	}
}

// A token is valid once, for a few minutes, for one audience, and only if it is
// signed with the secret.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	now := time.Now()
	with := func(name string, value any) string { return token(t, func(c jwt.MapClaims) { c[name] = value }) }
	without := func(name string) string { return token(t, func(c jwt.MapClaims) { delete(c, name) }) }
	signed := func(method jwt.SigningMethod, key any) string {
		text, err := jwt.NewWithClaims(method, jwt.MapClaims{"aud": "halosync", "sub": "x", "tenant": "acme", "scope": "admin", "jti": "1", "iat": now.Unix(), "exp": now.Unix() + 60}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	payload := func() string {
		return fmt.Sprintf(`{"aud":"halosync","sub":"x","tenant":"acme","scope":"read","jti":"%s","iat":%d,"exp":%d}`, newProof(), now.Unix(), now.Unix()+60)
	}
	written := func(header, payload string) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		mac, err := jwt.SigningMethodHS256.Sign(text, []byte(signinSecret))
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + base64.RawURLEncoding.EncodeToString(mac)
	}
	if a := h.do(get("/signin/token?token=" + written(`{"alg":"HS256","kid":"k1"}`, payload()))); a.status != 303 || a.location != "/" {
		t.Fatalf("a token that was written by hand: %+v", a)
	}
	good := token(t, nil)
	a := h.do(get("/signin/token?next=/map%3Fconnection%3Dx&token=" + good))
	if a.status != 303 || a.location != "/map?connection=x" || a.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("valid token: %+v", a)
	}
	if got := h.do(get("/x").with(a.cookie.Name + "=" + a.cookie.Value)).body; got != "acme|user:anna@msp.example|write|true|0|<nil>" {
		t.Errorf("by token: %s", got)
	}
	for name, text := range map[string]string{
		"used before":         good,
		"expired":             token(t, func(c jwt.MapClaims) { c["iat"], c["exp"] = now.Unix()-120, now.Unix()-60 }),
		"too long":            token(t, func(c jwt.MapClaims) { c["iat"], c["exp"] = now.Unix(), now.Unix()+301 }),
		"from long ago":       token(t, func(c jwt.MapClaims) { c["iat"] = now.Unix() - 86400 }),
		"from the future":     token(t, func(c jwt.MapClaims) { c["iat"], c["exp"] = now.Unix()+120, now.Unix()+180 }),
		"not yet":             with("nbf", now.Unix()+120),
		"another audience":    with("aud", "another"),
		"no audience":         without("aud"),
		"no expiry":           without("exp"),
		"no issue":            without("iat"),
		"no id":               without("jti"),
		"no user":             without("sub"),
		"no tenant":           without("tenant"),
		"everybody":           with("tenant", "*"),
		"tenant with NUL":     with("tenant", "a\x00b"),
		"tenant as a list":    with("tenant", []string{"acme"}),
		"no scope":            without("scope"),
		"made-up scope":       with("scope", "owner"),
		"scope ops":           with("scope", "ops"),
		"user with newline":   with("sub", "anna\nroot"),
		"alg none":            signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"alg HS512":           signed(jwt.SigningMethodHS512, []byte(signinSecret)),
		"another secret":      signed(jwt.SigningMethodHS256, []byte(signinSecret+"x")),
		"no signature":        good[:strings.LastIndexByte(good, '.')+1],
		"too large":           good + strings.Repeat("x", maxToken),
		"nonsense":            "a.b.c",
		"nothing":             "",
		"a line break":        token(t, nil) + "\n",
		"a space":             " " + token(t, nil),
		"a break within":      strings.Replace(token(t, nil), ".", ".\r\n", 1),
		"an extension":        written(`{"alg":"HS256","crit":["exp"],"exp":1}`, payload()),
		"no extension":        written(`{"alg":"HS256","crit":[]}`, payload()),
		"two algorithms":      written(`{"alg":"none","alg":"HS256"}`, payload()),
		"algorithm in caps":   written(`{"alg":"HS256","ALG":"none"}`, payload()),
		"two tenants":         written(`{"alg":"HS256"}`, strings.Replace(payload(), `{`, `{"tenant":"globex",`, 1)),
		"tenant in caps":      written(`{"alg":"HS256"}`, strings.Replace(payload(), `{`, `{"TENANT":"globex",`, 1)),
		"only in caps":        written(`{"alg":"HS256"}`, strings.Replace(payload(), `"tenant"`, `"Tenant"`, 1)),
		"scope with a long s": written(`{"alg":"HS256"}`, strings.Replace(payload(), `"scope"`, "\"\u017fcope\"", 1)),
		"broken text":         written(`{"alg":"HS256"}`, strings.Replace(payload(), `{`, "{\"x\":\"\xff\",", 1)),
	} {
		if a := h.do(get("/signin/token?token=" + url.QueryEscape(text))); a.location != "/signin?link=expired&next=%2F" || a.cookie != nil || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %s %s", name, a.status, a.location, a.body)
		}
		h.guard.throttle = newThrottle()
	}
	h.guard.secrets = append([]secret.String{secret.NewString(strings.Repeat("new", 20))}, h.guard.secrets...)
	if a := h.do(get("/signin/token?token=" + token(t, nil))); a.status != 303 {
		t.Errorf("token signed with the older secret: status %d", a.status)
	}

	none := newFixture(t, nil)
	none.key("acme", "key", Read)
	if a := none.do(get("/signin/token?token=" + good)); a.status != 404 {
		t.Errorf("token without a configured secret: status %d", a.status)
	}
}

// Most of a thousand failed attempts are rejected without a query. They do not lock out
// anyone with a valid key, not even from the same address.
func TestThousandWrongSignIns(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	key, fresh, third := h.key("acme", "key", Read), h.key("acme", "fresh", Read), h.key("acme", "third", Read)
	counts := map[int]int{}
	for i := range 1000 {
		q := signInWith(madeUpKey(), "/")
		if i%2 == 1 {
			q = get("/api/v1/runs").as(madeUpKey())
		}
		a := h.do(q.from("198.51.100.7"))
		if counts[a.status]++; a.status == 429 && a.header.Get("Retry-After") == "" {
			t.Fatalf("429 without Retry-After: %v", a.header)
		}
	}
	if counts[401] < clientBurst || counts[401] > 100 || counts[401]+counts[429] != 1000 {
		t.Errorf("answers %v", counts)
	}
	for name, c := range map[string]struct {
		request
		status int
	}{
		"another client signs in":         {signInWith(fresh, "/").from("198.51.100.8"), 303},
		"another client's program":        {get("/x").as(fresh).from("198.51.100.9"), 200},
		"a program at the same address":   {get("/x").as(key).from("198.51.100.7"), 200},
		"health, at the same address":     {get("/livez").from("198.51.100.7"), 200},
		"a person at the same address":    {signInWith(third, "/").from("198.51.100.7"), 303},
		"a client that forges an address": {get("/x").as(newProof()).from("198.51.100.10, 198.51.100.7"), 429},
		"a mistake at another address":    {get("/x").as(nearMiss(key)).from("198.51.100.11"), 401},
	} {
		if a := h.do(c.request); a.status != c.status {
			t.Errorf("%s: %d, want %d", name, a.status, c.status)
		}
	}
	t.Logf("1000 wrong attempts: %v", counts)
}

// Without any key, the guard serves only the health checks and instructions for
// creating a key.
func TestNoKeyAtAll(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	page := map[string]string{"Accept": "text/html"}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 503, "/": 503, "/signin": 503, "/api/v1/runs": 503, "/assets/a.css": 503} {
		a := h.do(request{method: http.MethodGet, path: path, header: page})
		if a.status != want || want == 503 && !strings.Contains(a.body, "enqueue apikey new") {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	if a := h.do(get("/readyz")); a.status != 200 || a.body != "ready\n" {
		t.Errorf("readiness without a key: %d %q", a.status, a.body)
	}
	key := h.key("acme", "first", Read)
	if a := h.do(get("/x").as(key)); a.status != 200 {
		t.Errorf("with the first key: status %d: %s", a.status, a.body)
	}
	if _, _, err := RevokeKey(t.Context(), repotest.OpenAs(t, h.db), "acme", "ann", "first"); err != nil {
		t.Fatal(err)
	}
	h.forget()
	if a := h.do(get("/x").as(key)); a.status != 503 {
		t.Errorf("after the only key was revoked: status %d: %s", a.status, a.body)
	}
	if a := newKeylessFixture(t).do(get("/api/v1/runs")); a.status != 401 {
		t.Errorf("without a key but with a sign-in secret: status %d", a.status)
	}
}

// newKeylessFixture returns a fixture that accepts sign-in tokens and has no
// key.
func newKeylessFixture(t *testing.T) *fixture {
	h := newFixture(t, withTokens)
	h.secrets = []string{strings.Repeat("nothing to find here", 2)}
	return h
}

// While Postgres is unreachable, no request is authenticated, and no answer
// claims that a key is wrong.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	key := h.key("acme", "key", Read)
	if a := h.do(get("/x").as(key)); a.status != 200 {
		t.Fatal(a.status)
	}
	repotest.Exec(t, h.db, `revoke select on halosync.api_keys, halosync.sessions from halosync_worker`)
	for name, q := range map[string]request{"with a key": get("/x").as(key), "signing in": signInWith(key, "/"), "with a cookie": get("/x").with(plainCookieName + "=" + newProof())} {
		a := h.do(q)
		if a.status != 503 || a.header.Get("Retry-After") == "" || strings.Contains(a.body, "42501") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := h.do(get("/livez")); a.status != 200 {
		t.Errorf("livez: %d", a.status)
	}
	repotest.Exec(t, h.db, `grant select on halosync.api_keys, halosync.sessions to halosync_worker`)
}

// Headers and cookies are correct over plain http, over https and in an
// embedded console.
func TestHeadersAndCookies(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	key := h.key("acme", "key", Read)
	embedded := newFixture(t, func(cfg *Config) {
		cfg.Site = Site{PublicURL: "https://halosync.example", EmbedOrigins: []string{"https://app.example"}}
	})
	theirs := embedded.key("acme", "key", Read)
	public := newFixture(t, func(cfg *Config) { cfg.Site.PublicURL = "https://halosync.example" })
	published := public.key("acme", "key", Read)

	plain := h.do(signInWith(key, "/connections"))
	if c := plain.cookie; c.Name != "halosync" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 12*3600 || c.Path != "/" || c.Domain != "" || plain.location != "/connections" {
		t.Errorf("over plain http on this machine: cookie %+v, location %s", c, plain.location)
	}
	tls := public.do(signInWith(published, "/"))
	if c := tls.cookie; c.Name != "__Host-halosync" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || tls.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("by https: %+v, %v", c, tls.header)
	}
	framed := embedded.do(signInWith(theirs, "/"))
	if c := framed.cookie; c.Name != "__Host-halosync" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteNoneMode || !c.Partitioned {
		t.Errorf("embedded console: cookie %+v", c)
	}
	if a := embedded.do(request{method: http.MethodPost, path: "/x", cookie: framed.cookie.Name + "=" + framed.cookie.Value, header: map[string]string{"Origin": "https://app.example"}}); a.status != 403 {
		t.Errorf("form from the embedding site: status %d", a.status)
	}
	for name, a := range map[string]answer{"page": h.do(get("/x").as(key)), "refusal": h.do(get("/x")), "form": h.do(get("/signin")), "health": h.do(get("/livez")), "in a frame": embedded.do(get("/x").as(theirs))} {
		got := a.header
		ancestors := "frame-ancestors 'none'"
		if name == "in a frame" {
			ancestors = "frame-ancestors 'self' https://app.example"
		}
		csp := got.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; ") || !strings.HasSuffix(csp, ancestors) || strings.Contains(csp, "unsafe") ||
			got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Referrer-Policy") != "same-origin" || got.Get("Permissions-Policy") == "" || got.Get("Cache-Control") != "no-store" ||
			(got.Get("X-Frame-Options") == "DENY") == (name == "in a frame") || (got.Get("Strict-Transport-Security") != "") != (name == "in a frame") {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := h.do(get("/assets/a.css")).header.Get("Cache-Control"); got != "max-age=1" {
		t.Errorf("asset: %s", got)
	}
}

// After signing in, the browser returns to the requested page and never goes to
// another site.
func TestSignInLeadsBack(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	key := h.key("acme", "key", Read)
	a := h.do(request{method: http.MethodGet, path: "/mappings?search=a%20b&page=2", header: map[string]string{"Accept": "text/html"}})
	if a.status != 303 || a.location != "/signin?next=%2Fmappings%3Fsearch%3Da%2520b%26page%3D2" {
		t.Fatalf("%+v", a)
	}
	if a = h.do(get(a.location)); a.body != "form||/mappings?search=a%20b&page=2" {
		t.Errorf("form %q", a.body)
	}
	cookie := h.signedIn(key)
	if a := h.do(get("/signin?next=/runs").with(cookie)); a.status != 303 || a.location != "/runs" {
		t.Errorf("already signed in: %+v", a)
	}
	htmx := get("/runs/1/live").set("Hx-Request", "true").set("Hx-Current-Url", h.base+"/runs/1").set("Accept", "text/html")
	if a := h.do(htmx); a.status != 401 || a.header.Get("Hx-Redirect") != "/signin?next=%2Fruns%2F1" {
		t.Errorf("htmx request without a session: %+v", a)
	}
	again := h.do(signInWith(key, "/").with(cookie))
	if a := h.do(get("/x").with(cookie)); again.status != 303 || a.status != 401 {
		t.Errorf("previous session after a new sign-in: status %d", a.status)
	}
	for _, next := range evilNexts {
		if a := h.do(signInWith(key, next)); a.status != 303 || a.location != "/" {
			t.Errorf("next %q leads to %q", next, a.location)
		}
	}
}

// evilNexts are values of next that would lead to another site or back to the
// sign-in page.
var evilNexts = []string{
	"https://evil.example", "//evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\n//evil.example", "javascript:alert(1)", "http:evil.example", "evil.example",
	"///evil.example", "https:/evil.example", "//evil.example@host/", " //evil.example", "", "/signin?next=/signin", "/signin/token", "/signout", "/" + strings.Repeat("x", 2000), "/%zz", "/\x00", "?x", "#x",
}

// age updates the stored session of a cookie. The argument set is the SQL assignment.
func (h *fixture) age(cookie, set string) {
	h.Helper()
	_, value, _ := strings.Cut(cookie, "=")
	repotest.Exec(h.T, h.db, `update halosync.sessions set `+set+` where hash = sha256($1::text::bytea)`, value)
}

func (q request) as(key string) request      { q.bearer = key; return q }
func (q request) with(cookie string) request { q.cookie = cookie; return q }
func (q request) set(name, value string) request {
	all := map[string]string{name: value}
	for n, v := range q.header {
		all[n] = v
	}
	q.header = all
	return q
}

// from makes a request come from a client behind a trusted proxy.
func (q request) from(client string) request { return q.set("X-Forwarded-For", client) }

// madeUpKey returns a well-formed key that no installation has issued.
func madeUpKey() string {
	id := uuid.New()
	return keyMark + hex.EncodeToString(id[:]) + "_" + newProof()
}

// nearMiss returns the key with its last character changed.
func nearMiss(key string) string {
	if last := len(key) - 1; key[last] == 'A' {
		return key[:last] + "B"
	}
	return key[:len(key)-1] + "A"
}
