package halotest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a Halo with an application and a plain HTTP client.
type fixture struct {
	tb testing.TB
	*Halo
	tenant *Tenant
	app    *App
	http   *http.Client
	token  string
}

func newFixture(tb testing.TB, opts ...Option) *fixture {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	tb.Cleanup(transport.CloseIdleConnections)
	r := &fixture{tb: tb, Halo: Start(tb, opts...)}
	r.http = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	r.tenant = r.Tenant("")
	r.app = r.tenant.App("app", "secret")
	r.token = r.login("")
	r.ResetLog()
	return r
}

// reply is a response and its body. err is the error from the request or from
// reading the body.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func (r *fixture) do(method, path, body string, header ...string) reply {
	r.tb.Helper()
	return r.send(context.Background(), method, path, body, header...)
}

func (r *fixture) send(ctx context.Context, method, path, body string, header ...string) reply {
	r.tb.Helper()
	req, err := http.NewRequestWithContext(ctx, method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.tb.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// get reads a path of the API with the fixture's token.
func (r *fixture) get(path string) reply {
	r.tb.Helper()
	return r.do(http.MethodGet, path, "", "Authorization", "Bearer "+r.token)
}

// form sends a token request with the given form fields, as pairs of key and
// value.
func (r *fixture) form(path string, pairs ...string) reply {
	r.tb.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return r.do(http.MethodPost, path, v.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// login returns a new token for the fixture's application in the tenant.
func (r *fixture) login(tenant string) string {
	r.tb.Helper()
	rep := r.form("/auth/token?tenant="+url.QueryEscape(tenant), "grant_type", "client_credentials",
		"client_id", "app", "client_secret", "secret", "scope", "all")
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(rep.body), &t); err != nil || t.AccessToken == "" {
		r.tb.Fatalf("token: %+v", rep)
	}
	return t.AccessToken
}

// listing is an envelope as a typed client reads it.
type listing struct {
	Page    *int `json:"page_no"`
	Size    *int `json:"page_size"`
	Count   int  `json:"record_count"`
	Clients []struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	} `json:"clients"`
}

// list reads /api/Client with a query.
func (r *fixture) list(query string) listing {
	r.tb.Helper()
	rep := r.get("/api/Client?" + query)
	var l listing
	if err := json.Unmarshal([]byte(rep.body), &l); err != nil || rep.status != http.StatusOK {
		r.tb.Fatalf("list %s: %v: %+v", query, err, rep)
	}
	return l
}

func (l listing) ids() []int64 {
	ids := []int64{}
	for _, c := range l.Clients {
		ids = append(ids, c.ID)
	}
	return ids
}

// fill adds n clients with ids from 1. Their names sort in reverse order of id.
func (r *fixture) fill(n int) {
	cs := make([]Client, n)
	for i := range cs {
		cs[i] = Client{ID: int64(i + 1), Name: "Client " + string(rune('z'-i%26))}
	}
	r.tenant.Add(cs...)
}

// span returns the ids from a to b, in descending order if b is less than a.
func span(a, b int64) []int64 {
	ids := []int64{a}
	for a != b {
		if a < b {
			a++
		} else {
			a--
		}
		ids = append(ids, a)
	}
	return ids
}

// clock is a clock that a test advances.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
