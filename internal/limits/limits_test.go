package limits

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/bulkhead"
)

// fixture is a handler whose clock the test moves.
type fixture struct {
	*Handler
	t   *testing.T
	now time.Time
}

func newFixture(t *testing.T, next http.HandlerFunc, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	cfg := Config{Next: next, Memory: bulkhead.NewMemory(bulkhead.DefaultMemory), Now: func() time.Time { return f.now }}
	for _, c := range change {
		c(&cfg)
	}
	f.Handler = New(cfg)
	return f
}

func ok(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

// do sends a request of a tenant's key.
func (f *fixture) do(tenant, key, path, body string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), http.MethodPost, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r.WithContext(access.With(r.Context(), access.Principal{Tenant: tenant, Actor: "key:" + key, Scope: access.Read})))
	return w
}

// If a key or a tenant sends too many requests, the answer states how long to wait. Other
// callers are not affected. The headers show the remaining requests.
func TestRates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ok, func(c *Config) { c.TenantPerMinute, c.KeyPerMinute = 360, 180 }) // at once: 60 and 30
	first := f.do("bravo", "a", "/api/v1/runs", "")
	if first.Code != 200 || first.Header().Get("RateLimit-Policy") != `"tenant";q=360;w=60, "key";q=180;w=60` ||
		first.Header().Get("RateLimit") != `"tenant";r=59;t=1, "key";r=29;t=1` {
		t.Errorf("first request: %d %v", first.Code, first.Header())
	}
	for range 29 {
		f.do("bravo", "a", "/api/v1/runs", "")
	}
	refused := f.do("bravo", "a", "/api/v1/runs", "")
	if refused.Code != 429 || refused.Header().Get("Retry-After") != "1" || refused.Header().Get("Content-Type") != "application/problem+json" ||
		refused.Header().Get("RateLimit") != `"tenant";r=29;t=1, "key";r=0;t=1` {
		t.Errorf("too many of one key: %d %v", refused.Code, refused.Header())
	}
	if page := f.do("bravo", "a", "/runs", ""); page.Code != 429 || !strings.HasPrefix(page.Body.String(), "Too many requests.") {
		t.Errorf("a page: %d %q", page.Code, page.Body)
	}
	for name, c := range map[string]struct {
		tenant, key string
		status      int
	}{"another key of the tenant": {"bravo", "b", 200}, "a neighbour's key of the same name": {"acme", "a", 200}} {
		if w := f.do(c.tenant, c.key, "/api/v1/runs", ""); w.Code != c.status {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	refusals := 0
	for i := range 60 { // similar case: many keys of one tenant, each below its own limit
		if w := f.do("bravo", fmt.Sprint("k", i), "/api/v1/runs", ""); w.Code == 429 {
			refusals++
		}
	}
	if refusals < 30 {
		t.Errorf("only %d refusals of a tenant with many keys", refusals)
	}
	f.now = f.now.Add(time.Second)
	if w := f.do("bravo", "a", "/api/v1/runs", ""); w.Code != 200 {
		t.Errorf("after the wait: %d", w.Code)
	}
	if tenant, key := f.RateLimited(); tenant == 0 || key != 2 {
		t.Errorf("counted refusals: %d of tenants, %d of keys", tenant, key)
	}
}

// A caller that waits for the time in Retry-After is never refused twice in a row.
func TestRetryAfterIsEnough(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ok, func(c *Config) { c.TenantPerMinute, c.KeyPerMinute = 70, 10_000 })
	served := 0
	for served < 50 {
		w := f.do("bravo", "a", "/api/v1/runs", "")
		if w.Code == 200 {
			served++
			continue
		}
		seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || seconds < 1 || seconds > 10 {
			t.Fatalf("Retry-After %q", w.Header().Get("Retry-After"))
		}
		f.now = f.now.Add(time.Duration(seconds) * time.Second)
		if w := f.do("bravo", "a", "/api/v1/runs", ""); w.Code != 200 {
			t.Fatalf("refused again after %d s", seconds)
		}
		served++
	}
}

// A meter is not forgotten before its quota is full again.
func TestMetersAreForgotten(t *testing.T) {
	t.Parallel()
	m, now := newMeters(6), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	m.take("acme", now)
	later := now.Add(59 * time.Second)
	m.take("bravo", later) // its only request for 10 s
	m.take("acme", now.Add(61*time.Second))
	if r := m.take("bravo", later.Add(5*time.Second)); r.wait == 0 {
		t.Error("forgotten too early")
	}
	for i := range 3 {
		m.take("acme", now.Add(time.Duration(2+i)*time.Minute))
	}
	if m.all.Len() != 1 {
		t.Errorf("%d meters after some minutes, want only the neighbour's", m.all.Len())
	}
}

// A tenant whose requests do not end occupies only its own places. The places become free
// when the requests end. A long stream frees its place at its start.
func TestRequestsInProgress(t *testing.T) {
	t.Parallel()
	gate, streaming := make(chan struct{}), make(chan struct{})
	var begun sync.WaitGroup
	f := newFixture(t, func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			begun.Done()
			<-gate
		case "/stream":
			bulkhead.Leave(r.Context())
			begun.Done()
			<-streaming
		}
	})
	var all sync.WaitGroup
	hold := func(path string, n int) {
		begun.Add(n)
		for range n {
			all.Go(func() { f.do("bravo", "a", path, "") })
		}
		begun.Wait()
	}
	hold("/stream", 5)
	hold("/hang", maxTenantRequests)
	w := f.do("bravo", "a", "/api/v1/runs", "")
	if w.Code != 429 || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), "in progress") {
		t.Errorf("one more: %d %s", w.Code, w.Body)
	}
	if w := f.do("acme", "a", "/api/v1/runs", ""); w.Code != 200 {
		t.Errorf("a neighbour: %d %s", w.Code, w.Body)
	}
	close(gate)
	close(streaming)
	all.Wait()
	if w := f.do("bravo", "a", "/api/v1/runs", ""); w.Code != 200 || f.Requests().Stats().Used != 0 {
		t.Errorf("afterwards: %d, %+v", w.Code, f.Requests().Stats())
	}
}

// The bodies of requests use the tenant's part of the memory.
func TestBodiesInProgress(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	var begun, all sync.WaitGroup
	f := newFixture(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			begun.Done()
			<-gate
		}
	})
	large := strings.Repeat("x", maxBody)
	begun.Add(8)
	for range 8 { // the whole part of a tenant
		all.Go(func() { f.do("bravo", "a", "/hang", large) })
	}
	begun.Wait()
	for name, c := range map[string]struct {
		tenant, body string
		status       int
	}{"a neighbour's large body": {"acme", large, 200}, "a small body": {"bravo", "{}", 200}} {
		if w := f.do(c.tenant, "a", "/api/v1/mappings", c.body); w.Code != c.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := f.do("bravo", "a", "/api/v1/mappings", large); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more large body: %d", w.Code)
	}
	close(gate)
	all.Wait()
	if used := f.memory.Bulkheads()[0].Stats().Used; used != 0 {
		t.Errorf("%d bytes not given back", used)
	}
}

// Public files have no principal and no limits.
func TestPublicFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ok, func(c *Config) { c.TenantPerMinute, c.KeyPerMinute = 6, 6 })
	for range 5 {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/assets/app.css", nil))
		if w.Code != 200 || w.Header().Get("RateLimit") != "" {
			t.Errorf("status %d", w.Code)
		}
	}
}

// Credentials that have used up their rate are refused before they cost a query. Other
// credentials, even of the same tenant, are not refused, and an attacker cannot block
// anyone.
func TestRefusedWithoutAuthentication(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ok, func(c *Config) { c.TenantPerMinute, c.KeyPerMinute = 600, 60 }) // at once: 100 and 10
	authenticated := 0
	front := f.Front(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authenticated++
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if strings.HasPrefix(key, "wrong") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.ServeHTTP(w, r.WithContext(access.With(r.Context(), access.Principal{Tenant: "bravo", Actor: "key:" + key, Scope: access.Read})))
	}))
	do := func(key string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/runs", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if w.Code == 429 && w.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return w.Code
	}
	for range 1000 {
		do("a")
	}
	if authenticated != 11 { // 10 within the rate, and the first one beyond it
		t.Errorf("%d of 1000 requests were authenticated", authenticated)
	}
	for range 1000 {
		if status := do("wrong"); status != 401 {
			t.Fatalf("a wrong key: %d", status)
		}
	}
	if status := do("b"); status != 200 {
		t.Errorf("another key: %d", status)
	}
	f.now = f.now.Add(time.Second)
	if status := do("a"); status != 200 {
		t.Errorf("after the wait: %d", status)
	}
	for i := range 3 * maxBlocked {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", fmt.Sprint("halosync=", i))
		f.blocked.add(r, f.now.Add(time.Hour), f.now)
	}
	if n := len(f.blocked.until); n > maxBlocked {
		t.Errorf("%d credentials in memory", n)
	}
}

// Requests without a principal cannot make the worker keep large bodies.
func TestSignInIsSmall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ok)
	front := f.Front(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}))
	for size, status := range map[int]int{1000: 200, maxSignIn + 1: 413} {
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader(strings.Repeat("x", size))))
		if w.Code != status {
			t.Errorf("%d bytes: %d", size, w.Code)
		}
	}
}
