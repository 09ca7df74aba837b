package access

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap/zapcore"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

const signinSecret = "0123456789abcdef0123456789abcdef-signin"

// fixture is a guard with a real listener, a real database, and an application
// that answers with the caller's principal.
type fixture struct {
	*testing.T
	db    string
	store *repo.Store
	guard *Guard
	base  string
	http  *http.Transport

	mu      sync.Mutex
	log     bytes.Buffer
	answers strings.Builder // all answers, without session cookies
	secrets []string        // strings that must not appear anywhere
}

// Write appends to the log.
func (h *fixture) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(p)
}

func newFixture(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	h := &fixture{T: t, db: repotest.URL(t), http: &http.Transport{}}
	h.store = repotest.Open(t, h.db)
	log, _, err := telemetry.NewLogger(h, "json", zapcore.DebugLevel)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Store: h.store, Log: log, App: h.app(),
		Ops: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ops", r.URL.Path) }),
		SignInPage: func(w http.ResponseWriter, _ *http.Request, status int, message, next string) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "form|%s|%s", message, next)
		},
		ChangePage: func(w http.ResponseWriter, _ *http.Request, c Change) {
			fmt.Fprintf(w, "change|%s|%s|%s|%s|%s", c.From.Tenant, c.From.Actor, c.To.Tenant, c.To.Actor, c.Path)
		},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, // so that requests can come from any address
	}
	if change != nil {
		change(&cfg)
	}
	h.guard = New(cfg)
	l, err := telemetry.Listen(t.Context(), "127.0.0.1:0", h.guard)
	if err != nil {
		t.Fatal(err)
	}
	h.base = "http://" + l.Addr()
	t.Cleanup(func() {
		h.http.CloseIdleConnections()
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
		h.search()
	})
	return h
}

// app returns an application that answers with the caller's principal.
func (h *fixture) app() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p, ok := From(r.Context())
		if !ok {
			h.Errorf("%s reached the application without a principal", r.URL)
		}
		if r.Method == http.MethodPost && !Permits(r.Context(), Write) {
			http.Error(w, "scope", http.StatusForbidden)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		connections, err := h.store.Connections(r.Context(), p.Tenant)
		fmt.Fprint(w, p.Tenant, "|", p.Actor, "|", p.Scope, "|", p.Session, "|", len(connections), "|", err)
	})
	mux.HandleFunc("GET /assets/a.css", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=1") })
	return mux
}

// key creates a key and adds it to the secrets.
func (h *fixture) key(tenant, name string, scope Scope) string {
	h.Helper()
	_, text, err := NewKey(h.Context(), repotest.OpenAs(h.T, h.db), tenant, "ann", name, scope, 0)
	if err != nil {
		h.Fatal(err)
	}
	h.secrets = append(h.secrets, text.Reveal()[keyLength-proofLength:])
	h.forget()
	return text.Reveal()
}

// forget drops the cached result of firstKey.
func (h *fixture) forget() {
	h.guard.firstKey.mu.Lock()
	h.guard.firstKey.until = time.Time{}
	h.guard.firstKey.mu.Unlock()
}

type request struct {
	method, path, bearer, cookie, body string
	header                             map[string]string
	chunked                            bool // without a Content-Length
}

type answer struct {
	status   int
	body     string
	location string
	header   http.Header
	cookie   *http.Cookie // the last one that was set
	cookies  []*http.Cookie
}

// do sends a request and follows no redirects.
func (h *fixture) do(q request) answer {
	h.Helper()
	var sent io.Reader = strings.NewReader(q.body)
	if q.chunked {
		sent = io.MultiReader(sent) // hides the length of the body
	}
	req, err := http.NewRequestWithContext(h.Context(), q.method, h.base+q.path, sent)
	if err != nil {
		h.Fatal(err)
	}
	if q.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	if q.cookie != "" {
		req.Header.Set("Cookie", q.cookie)
	}
	if q.body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range q.header {
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	resp, err := h.http.RoundTrip(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	a := answer{status: resp.StatusCode, body: string(body), location: resp.Header.Get("Location"), header: resp.Header}
	for _, c := range resp.Cookies() {
		a.cookie, a.cookies = c, append(a.cookies, c)
		if c.Value != "" {
			h.secrets = append(h.secrets, c.Value)
		}
	}
	resp.Header.Del("Set-Cookie")
	fmt.Fprintln(&h.answers, a.status, resp.Header, a.body)
	return a
}

func get(path string) request { return request{method: http.MethodGet, path: path} }

func signInWith(key, next string) request {
	return request{method: http.MethodPost, path: "/signin", body: url.Values{"key": {key}, "next": {next}}.Encode()}
}

// signedIn signs in and returns the cookie in the form that a browser sends.
func (h *fixture) signedIn(key string) string {
	h.Helper()
	a := h.do(signInWith(key, "/"))
	if a.status != http.StatusSeeOther || a.cookie == nil {
		h.Fatalf("sign-in: %+v", a)
	}
	return a.cookie.Name + "=" + a.cookie.Value
}

// token returns a sign-in token with changed claims.
func token(t *testing.T, change func(jwt.MapClaims)) string {
	t.Helper()
	now := time.Now()
	c := jwt.MapClaims{
		"aud": "halosync", "sub": "anna@msp.example", "tenant": "acme", "scope": "write",
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": newProof(),
	}
	if change != nil {
		change(c)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(signinSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func withTokens(cfg *Config) { cfg.Secrets = []secret.String{secret.NewString(signinSecret)} }

// search looks for the secrets in the database, the log and the answers.
func (h *fixture) search() {
	h.Helper()
	tables := repotest.Value[[]string](h.T, h.db, `select array_agg('halosync.' || tablename) from pg_tables where schemaname = 'halosync'`)
	var parts []string
	for _, table := range tables {
		parts = append(parts, "select x::text as line from "+table+" x")
	}
	dump := repotest.Value[string](h.T, h.db, `select string_agg(line, E'\n') from (`+strings.Join(parts, " union all ")+`) as everything`)
	h.mu.Lock()
	defer h.mu.Unlock()
	for where, text := range map[string]string{"Postgres": dump, "the log": h.log.String(), "an answer": h.answers.String()} {
		if text == "" && where != "the log" { // the log is empty unless errors occurred
			h.Errorf("nothing to search in %s", where)
		}
		for _, s := range h.secrets {
			for _, form := range []string{s, s[:20], hex.EncodeToString([]byte(s))} {
				if strings.Contains(strings.ToUpper(text), strings.ToUpper(form)) {
					h.Errorf("%s contains a key or a session cookie", where)
				}
			}
		}
	}
	if len(h.secrets) == 0 {
		h.Error("no secrets to search for")
	}
}
