package halotest

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

const limitText = "Rate Limit Reached - 3 Requests per rolling 5 minute window"

func TestRateLimitRolls(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newFixture(t, WithClock(c.Now), WithProfile(Profile{RateLimit: 3, TokenLifetime: 24 * time.Hour}))
	want := func(statuses ...int) {
		t.Helper()
		for i, s := range statuses {
			if rep := r.get("/api/Client"); rep.status != s {
				t.Fatalf("request %d at %s: status %d, want %d", i+1, c.Now().Format(time.TimeOnly), rep.status, s)
			}
		}
	}
	want(200)
	c.Advance(time.Minute)
	want(200, 200, 429, 429)
	c.Advance(4*time.Minute - time.Nanosecond)
	want(429) // refused requests do not count, but the first request is still in the window
	c.Advance(time.Nanosecond)
	want(200, 429)
	c.Advance(time.Minute)
	want(200, 200, 429) // the two requests of minute 1 have left the window; the request of minute 5 has not
	c.Advance(time.Hour)
	want(200, 200, 200, 429)
}

// By default, Halo allows 700 requests in 5 minutes and 500 in 3 minutes.
func TestRateLimitDefault(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newFixture(t, WithClock(c.Now))
	want := func(n int, over string) {
		t.Helper()
		for i := range n {
			if rep := r.get("/api/Client/1"); rep.status != 404 {
				t.Fatalf("request %d: %+v", i+1, rep)
			}
		}
		rep := r.get("/api/Client")
		if rep.status != 429 || rep.body != `{"Message":"Rate Limit Reached - `+over+` window"}` {
			t.Errorf("after %d requests: %+v", n, rep)
		}
		if _, ok := rep.header["Retry-After"]; ok {
			t.Errorf("Retry-After: %v", rep.header)
		}
	}
	want(500, "500 Requests per rolling 3 minute")
	c.Advance(3*time.Minute - 1)
	want(0, "500 Requests per rolling 3 minute")
	c.Advance(1)
	want(200, "700 Requests per rolling 5 minute")
	c.Advance(2 * time.Minute)
	want(300, "500 Requests per rolling 3 minute")
	c.Advance(time.Minute)
	want(200, "700 Requests per rolling 5 minute") // 200 of minute 3, 300 of minute 5, 200 of minute 6
	r.SetProfile(func(p *Profile) { p.RateLimit = Off })
	if rep := r.get("/api/Client"); rep.status != 200 {
		t.Errorf("switched off: %+v", rep)
	}
}

func TestRateCountsRejected(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newFixture(t, WithClock(c.Now), WithProfile(Profile{RateLimit: 2, RateCountsRejected: true, RetryAfter: RetryAfterSeconds}))
	for _, want := range []string{"", "", "300", "300"} {
		if got := r.get("/api/Client").header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After %q, want %q", got, want)
		}
	}
	c.Advance(5*time.Minute - time.Second)
	r.get("/api/Client")
	c.Advance(time.Second)
	if rep := r.get("/api/Client"); rep.status != 200 {
		t.Errorf("with one refused request in the window: %+v", rep)
	}
	if rep := r.get("/api/Client"); rep.status != 429 {
		t.Errorf("with two in the window: %+v", rep)
	}
}

// Every API request counts towards its tenant's limit, regardless of the answer. It counts
// before its token is checked. Token calls count only with RateCountsToken.
func TestRateCounts(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newFixture(t, WithClock(c.Now), WithProfile(Profile{RateLimit: 4}))
	r.Tenant("acme").App("app", "secret")
	acme := r.login("acme")
	for _, path := range []string{"/api/authinfo", "/api/nonsense", "/api/Client/7", "/api/Client"} {
		if rep := r.do(http.MethodGet, path, "", "Authorization", "Bearer no such token"); rep.status == 429 {
			t.Fatalf("%s: %+v", path, rep)
		}
	}
	for _, path := range []string{"/api/authinfo", "/api/nonsense", "/api/Client/7", "/api/Client"} {
		if rep := r.get(path); rep.status != 429 {
			t.Errorf("%s: %+v", path, rep)
		}
	}
	if rep := r.do(http.MethodGet, "/auth/.well-known/openid-configuration", ""); rep.status != 200 {
		t.Errorf("discovery: %+v", rep)
	}
	r.login("")

	host := r.token
	r.token = acme
	r.list("")
	r.token = host

	r.SetProfile(func(p *Profile) { p.RateCountsToken = true })
	if rep := r.form("/auth/token", "grant_type", "client_credentials"); rep.status != 429 {
		t.Errorf("token: %+v", rep)
	}
}

func TestRatePerApp(t *testing.T) {
	t.Parallel()
	r := newFixture(t, WithProfile(Profile{RateLimit: 1, RatePerApp: true}))
	r.list("")
	if rep := r.get("/api/Client"); rep.status != 429 {
		t.Fatalf("got %+v", rep)
	}
	r.tenant.App("second", "secret")
	rep := r.form("/auth/token", "grant_type", "client_credentials", "client_id", "second", "client_secret", "secret", "scope", "all")
	r.token = strings.Split(rep.body, `"`)[3]
	r.list("")
}

func TestThrottleForms(t *testing.T) {
	t.Parallel()
	c := newClock()
	c.Advance(250 * time.Millisecond)
	r := newFixture(t, WithClock(c.Now), WithProfile(Profile{RateLimit: 3}))
	for range 3 {
		r.list("")
	}
	for _, tt := range []struct {
		form       ThrottleBody
		kind, body string
	}{
		{ThrottleMessage, "application/json; charset=utf-8", `{"Message":"` + limitText + `"}`},
		{ThrottleError, "application/json; charset=utf-8", `{"error":"` + limitText + `"}`},
		{ThrottleString, "application/json; charset=utf-8", `"` + limitText + `"`},
		{ThrottleText, "text/plain; charset=utf-8", limitText},
		{
			ThrottleHTML, "text/html; charset=utf-8", "<!DOCTYPE html>\n<html><head><title>429 Too Many Requests</title></head><body>" +
				"<h1>429 Too Many Requests</h1><p>" + limitText + "</p></body></html>\n",
		},
	} {
		r.SetProfile(func(p *Profile) { p.ThrottleBody = tt.form })
		rep := r.get("/api/Client")
		if rep.status != 429 || rep.body != tt.body || rep.header.Get("Content-Type") != tt.kind {
			t.Errorf("form %d: got %+v", tt.form, rep)
		}
	}

	c.Advance(time.Minute)
	for form, want := range map[RetryAfter]string{
		RetryAfterNone: "", RetryAfterSeconds: "240", RetryAfterDate: "Wed, 01 Jul 2026 12:05:01 GMT",
	} {
		r.SetProfile(func(p *Profile) { p.RetryAfter = form })
		if got := r.get("/api/Client").header.Get("Retry-After"); got != want {
			t.Errorf("form %d: Retry-After %q, want %q", form, got, want)
		}
	}
	c.Advance(239*time.Second + 1)
	r.SetProfile(func(p *Profile) { p.RetryAfter = RetryAfterSeconds })
	if got := r.get("/api/Client").header.Get("Retry-After"); got != "1" {
		t.Errorf("less than a second to go: %q", got)
	}
	r.SetProfile(func(p *Profile) { p.RateWindow = 90 * time.Second })
	if got := spanText(r.Profile().RateWindow); got != "90 second" {
		t.Error(got)
	}
}

// No window has more requests than the limit, regardless of the gaps between
// requests. A client that waits for the full Retry-After succeeds. A client
// that waits a nanosecond less is refused.
func TestLimiterProperties(t *testing.T) {
	t.Parallel()
	rates := []Rate{{5, time.Minute}, {3, 20 * time.Second}, {9, 3 * time.Minute}}
	check := func(gaps []uint16) bool {
		now := time.Unix(0, 0)
		p := complete(Profile{RateLimit: rates[0].Limit, RateWindow: rates[0].Window, RateAlso: rates[1:]})
		var l limiter
		clock := func() time.Time { return now }
		var in []time.Time
		for _, g := range gaps {
			now = now.Add(time.Duration(g) * time.Millisecond)
			if wait, _ := l.take("", clock, p); wait > 0 {
				now = now.Add(wait - 1)
				if wait, _ := l.take("", clock, p); wait != 1 {
					return false
				}
				now = now.Add(1)
				if wait, _ := l.take("", clock, p); wait != 0 {
					return false
				}
			}
			in = append(in, now)
			for _, r := range rates {
				if i := len(in) - 1 - r.Limit; i >= 0 && now.Sub(in[i]) < r.Window {
					return false
				}
			}
		}
		return true
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

func TestWindowForgets(t *testing.T) {
	t.Parallel()
	var w window
	for i := range 100_000 {
		at := time.Unix(int64(i), 0)
		w.prune(at, time.Minute)
		w.add(at)
	}
	if n := w.prune(time.Unix(99_999, 0), time.Minute); n != 60 || len(w.times) > 4096 {
		t.Errorf("%d in the window, %s times kept", n, strconv.Itoa(len(w.times)))
	}
}
