package access

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// security returns the security events that the guard has caused so far, oldest first.
func (h *fixture) security() (lines []string) {
	h.Helper()
	h.guard.Flush(h.Context())
	events, err := h.store.SecurityEventsOfAll(h.Context(), repo.SecurityFilter{Limit: 1000})
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range events {
		if e.Kind != repo.SecurityRoleGranted { // the database is a copy of one with rights
			lines = append([]string{fmt.Sprintf("%s %s tenant=%s actor=%s address=%s ua=%s count=%d", e.Kind, e.Outcome, e.Tenant, e.Actor, e.Address, e.UserAgent, e.Count)}, lines...)
		}
	}
	return lines
}

// Sign-ins, sign-outs and refusals are recorded with address and browser. Equal refusals
// share one event.
func TestSecurityEventsOfTheEntrance(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	key := h.key("acme", "key", Read)
	from := func(q request, address string) request {
		return q.set("X-Forwarded-For", address).set("User-Agent", "Browser\u202e "+address+strings.Repeat("x", 300))
	}
	wrong := keyMark + strings.Repeat("0", 32) + "_" + newProof()
	h.secrets = append(h.secrets, wrong[keyLength-proofLength:])
	a := h.do(from(signInWith(key, "/"), "198.51.100.1"))
	cookie := a.cookie.Name + "=" + a.cookie.Value
	h.do(from(request{method: http.MethodPost, path: "/signout", cookie: cookie}, "198.51.100.1"))
	for range 3 {
		h.do(from(get("/api/v1/runs").as(wrong), "198.51.100.2"))
	}
	h.do(from(signInWith(wrong, "/"), "2001:db8:1:2:3::4"))
	h.do(from(get("/signin/token?token=a.b.c"), "2001:db8:1:2:3::5"))
	h.do(get("/api/v1/runs"))                                                                                // no attempt: nothing to record
	h.do(from(get("/x").with(plainCookieName+"="+newProof()), "198.51.100.3"))                               // a session that has ended is no attack
	if _, _, err := RevokeKey(t.Context(), repotest.OpenAs(t, h.db), "acme", "cli:ann", "key"); err != nil { // a command
		t.Fatal(err)
	}
	browser := func(address string) string { return ("Browser " + address + strings.Repeat("x", 300))[:maxUserAgent] }
	got := strings.Join(h.security(), "\n")
	for _, want := range []string{
		"apikey.added succeeded tenant=acme actor=ann address= ua= count=1",
		"signin succeeded tenant=acme actor=key:key address=198.51.100.1 ua=" + browser("198.51.100.1") + " count=1",
		"session.ended succeeded tenant=acme actor=key:key address=198.51.100.1 ua=" + browser("198.51.100.1") + " count=1",
		"apikey.revoked succeeded tenant=acme actor=cli:ann address= ua= count=1",
		"apikey.used refused tenant= actor= address=198.51.100.2 ua=" + browser("198.51.100.2") + " count=3",
		"signin refused tenant= actor= address=2001:db8:1:2::/64 ua=" + browser("2001:db8:1:2:3::4") + " count=2",
	} {
		if !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 6 {
		t.Errorf("%d events:\n%s", n, got)
	}
}

// A stranger with many addresses causes a bounded number of events, and none is lost.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	h.key("acme", "key", Read)
	const attempts = 400 // of which the last are throttled
	for i := range attempts {
		q := get("/x").as(fmt.Sprint("nonsense", i))
		if i%2 == 0 {
			q = signInWith(fmt.Sprint("nonsense", i), "/")
		}
		h.do(q.set("X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", i/200, i%200)))
	}
	events, total := 0, 0
	for _, line := range h.security() {
		if strings.HasPrefix(line, "apikey.added") {
			continue
		}
		n := 0
		if _, err := fmt.Sscanf(line[strings.LastIndex(line, "count="):], "count=%d", &n); err != nil {
			t.Fatal(err)
		}
		events, total = events+1, total+n
	}
	if events < 2 || events > maxRefusals+4 || total != attempts { // two kinds with two outcomes share events
		t.Errorf("%d events stand for %d refusals, want at most %d for %d", events, total, maxRefusals+4, attempts)
	}
	if again := len(h.security()); again != events+1 {
		t.Errorf("%d events after another flush, want %d", again, events+1)
	}
}

// A valid credential that is used for a request of a wider scope is recorded with its
// tenant, actor and address, and equal refusals share an event.
func TestUseBeyondTheScopeIsRecorded(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	key, admin := h.key("acme", "reader", Read), h.key("acme", "admin", Admin)
	from := func(q request) request { return q.set("X-Forwarded-For", "198.51.100.1").set("User-Agent", "Browser") }
	post := request{method: http.MethodPost, path: "/x"}
	a := h.do(get("/signin/token?token=" + token(t, func(c jwt.MapClaims) { c["scope"] = "read" })))
	session := a.cookie.Name + "=" + a.cookie.Value
	for _, q := range []request{post.as(key), post.as(key), post.with(session), get("/metrics").as(key), get("/metrics").as(admin)} {
		if a := h.do(from(q)); a.status != http.StatusForbidden {
			t.Errorf("%s %s: status %d", q.method, q.path, a.status)
		}
	}
	for _, q := range []request{get("/x").as(key), post.as(admin), get("/readyz").as(key)} { // permitted, or shortened
		if a := h.do(from(q)); a.status != http.StatusOK {
			t.Errorf("%s %s: status %d", q.method, q.path, a.status)
		}
	}
	got := strings.Join(h.security(), "\n")
	const of = "scope.exceeded refused tenant=acme actor="
	for _, want := range []string{
		of + "key:reader address=198.51.100.1 ua=Browser count=2",
		of + "key:reader address=198.51.100.1 ua=Browser count=1",
		of + "user:anna@msp.example address=198.51.100.1 ua=Browser count=1",
		of + " address= ua= count=1", // the fourth of the tenant
	} {
		if !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "scope.exceeded"); n != 4 {
		t.Errorf("%d events of the scope:\n%s", n, got)
	}
	for _, want := range []string{"needs the scope write, has read", "needs the scope ops, has read", "several clients"} {
		if !repotest.Value[bool](t, h.db, `select exists (select from halosync.security_events where kind = 'scope.exceeded' and detail = $1)`, want) {
			t.Errorf("no event with the detail %q", want)
		}
	}
}

// A tenant that uses its credentials beyond their scope from many addresses causes a
// bounded number of events, none of its refusals is lost, and the events of other tenants
// and of strangers keep their addresses.
func TestUsesBeyondTheScopeAreBounded(t *testing.T) {
	t.Parallel()
	h := newFixture(t, nil)
	hostile, neighbour := h.key("hostile", "k", Read), h.key("acme", "k", Read)
	const attempts = 60
	post := request{method: http.MethodPost, path: "/x"}
	for i := range attempts {
		h.do(post.as(hostile).set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i)))
	}
	h.do(post.as(neighbour).set("X-Forwarded-For", "203.0.113.1"))
	h.do(get("/x").as("nonsense").set("X-Forwarded-For", "203.0.113.2"))
	h.guard.Flush(t.Context())
	count := func(tenant string) (events, total int) {
		const of = ` from halosync.security_events where kind = 'scope.exceeded' and tenant = $1`
		return repotest.Value[int](t, h.db, `select count(*)::int`+of, tenant), repotest.Value[int](t, h.db, `select coalesce(sum(count), 0)::int`+of, tenant)
	}
	if events, total := count("hostile"); events != maxTenantRefusals+1 || total != attempts {
		t.Errorf("%d events stand for %d refusals, want %d for %d", events, total, maxTenantRefusals+1, attempts)
	}
	if events, total := count("acme"); events != 1 || total != 1 {
		t.Errorf("the other tenant has %d events for %d refusals", events, total)
	}
	got := strings.Join(h.security(), "\n")
	for _, want := range []string{"tenant=acme actor=key:k address=203.0.113.1 ", "apikey.used refused tenant= actor= address=203.0.113.2 "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// A request that takes long, such as live progress, ends soon after its key was revoked,
// its session has ended, or its sign-in secret was replaced.
func TestLongRequestsEndWithTheirCredential(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(cfg *Config) {
		withTokens(cfg)
		cfg.App = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			for r.Context().Err() == nil { // handlers may change the request
				r.Header.Set("Authorization", "Bearer another")
				r.Header.Del("Cookie")
				time.Sleep(time.Millisecond)
			}
			fmt.Fprint(w, context.Cause(r.Context()))
		})
	})
	h.guard.recheck = 10 * time.Millisecond
	revoked, ended := h.key("acme", "revoked", Read), h.key("acme", "ended", Read)
	cookies := map[string]string{"session": h.signedIn(ended), "session of the revoked key": h.signedIn(revoked)}
	byToken := h.do(get("/signin/token?token=" + token(t, nil)))
	cookies["session of the product"] = byToken.cookie.Name + "=" + byToken.cookie.Value
	requests := map[string]request{"key": get("/live").as(revoked)}
	for name, cookie := range cookies {
		requests[name] = get("/live").with(cookie)
	}
	done := make(chan string)
	for name, q := range requests {
		go func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+q.path, nil) // a valid address
			if q.bearer != "" {
				req.Header.Set("Authorization", "Bearer "+q.bearer)
			}
			if q.cookie != "" {
				req.Header.Set("Cookie", q.cookie)
			}
			resp, err := h.http.RoundTrip(req)
			if err == nil {
				done <- name + " began"
				_, err = resp.Body.Read(make([]byte, 100))
				resp.Body.Close()
			}
			done <- name
			_ = err // the answer ends in any way
		}()
	}
	for range requests {
		if name := <-done; !strings.HasSuffix(name, " began") {
			t.Fatalf("%s ended at once", name)
		}
	}
	if _, _, err := RevokeKey(t.Context(), repotest.OpenAs(t, h.db), "acme", "ann", "revoked"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.store.EndSessions(t.Context(), "acme", "ann", repo.SessionFilter{Actor: "key:ended"}); err != nil {
		t.Fatal(err)
	}
	for range len(requests) - 1 {
		if name := <-done; name == "session of the product" {
			t.Error("a request ended although its session is open")
		}
	}
	if _, err := h.store.EndSessionsOfAll(t.Context(), "ann", repo.SessionFilter{}); err != nil {
		t.Fatal(err)
	}
	if name := <-done; name != "session of the product" {
		t.Errorf("%s ended last", name)
	}
}

// A session that an older program has stored without a fingerprint is refused, and so is
// one whose fingerprint was changed.
func TestSessionWithoutFingerprint(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withTokens)
	a := h.do(get("/signin/token?token=" + token(t, nil)))
	cookie := a.cookie.Name + "=" + a.cookie.Value
	if got := h.do(get("/x").with(cookie)).status; got != 200 {
		t.Fatalf("status %d", got)
	}
	if stored := repotest.Value[[]byte](t, h.db, `select signin_secret from halosync.sessions`); strings.Contains(signinSecret, string(stored)) ||
		string(stored) != string(fingerprint(secret.NewString(signinSecret))) {
		t.Errorf("stored fingerprint %x", stored)
	}
	for _, set := range []string{`signin_secret = null`, `signin_secret = decode(repeat('00', 16), 'hex')`} {
		h.age(cookie, set)
		if got := h.do(get("/x").with(cookie)).status; got != 401 {
			t.Errorf("%s: status %d", set, got)
		}
	}
}
