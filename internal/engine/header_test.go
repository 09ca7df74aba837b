package engine_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// gateway is a server in front of the simulated Halo. It refuses every request that lacks
// its header.
type gateway struct {
	*httptest.Server
	value             atomic.Value // of the header X-Gateway-Key
	tokens, other     atomic.Int64 // accepted requests
	refused, strayed  atomic.Int64 // requests without the right value; requests that carry any value
	forgetfulAtNumber int64        // number of the accepted request before which the token is revoked
}

func (w *fixture) gateway(value string) *gateway {
	w.t.Helper()
	g := &gateway{}
	g.value.Store(value)
	g.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("X-Gateway-Key")
		if given != "" {
			g.strayed.Add(1)
		}
		if given != g.value.Load() {
			g.refused.Add(1)
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write([]byte("no entry with " + given))
			return
		}
		if strings.HasPrefix(r.URL.Path, "/auth/") {
			g.tokens.Add(1)
		} else if g.other.Add(1) == g.forgetfulAtNumber {
			w.app.Revoke()
		}
		w.halo.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(g.Close)
	return g
}

const gateKey = "canary-gate-k3y"

func (g *gateway) input(w *fixture, name string) engine.ConnectionInput {
	in := w.input(name)
	in.Domain, in.AuthServer = g.URL, g.URL
	in.HeaderName, in.HeaderValue = "x-gateway-key", secret.NewString(gateKey)
	return in
}

// The MSP's own HTTP header is sent with every request of a run, even after the token is
// revoked in the middle of the run. Neither the stored data nor the errors show its
// value.
func TestOwnHeader(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 250)
	g := w.gateway(gateKey)

	without := g.input(w, "without")
	without.HeaderName, without.HeaderValue = "", secret.String{}
	if _, err := w.engine.AddConnection(t.Context(), "t1", "test", without); err == nil {
		t.Error("the gateway lets a request without the header pass")
	}
	g.refused.Store(0)
	conn, err := w.engine.AddConnection(t.Context(), "t1", "test", g.input(w, "c"))
	if err != nil || conn.HeaderName != "x-gateway-key" {
		t.Fatalf("%q, %v", conn.HeaderName, err)
	}
	if _, err := w.engine.TestConnection(t.Context(), "t1", "c"); err != nil {
		t.Error(err)
	}
	g.tokens.Store(0)
	g.other.Store(0)
	g.forgetfulAtNumber = 2
	if run := w.importAll(conn); run.State != repo.StateSucceeded || run.Records != 250 {
		t.Errorf("%s, %d records: %s", run.State, run.Records, run.Error)
	}
	if g.tokens.Load() != 2 || g.refused.Load() != 0 {
		t.Errorf("%d tokens, %d refused requests", g.tokens.Load(), g.refused.Load())
	}

	// The gateway's key changes: the run fails, and its error does not quote the old key.
	g.value.Store("canary-next-k3y")
	run := w.importAll(conn)
	got, err := w.store.Connection(t.Context(), "t1", conn.ID)
	if err != nil || run.State != repo.StateFailed || got.State != repo.NeedsReconnect || !strings.Contains(run.Error, "no entry with [hidden]") {
		t.Errorf("run %s: %s; connection %s, %v", run.State, run.Error, got.State, err)
	}
	next := secret.NewString("canary-next-k3y")
	got, _, err = w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{HeaderValue: &next})
	if err != nil || got.State != repo.Active || got.HeaderName != "x-gateway-key" {
		t.Errorf("%s, %v", got.State, err)
	}
	if run := w.importAll(conn); run.State != repo.StateSucceeded {
		t.Errorf("%s: %s", run.State, run.Error)
	}
	for _, table := range []string{"connections", "events", "runs", "run_items"} {
		text := repotest.Value[string](t, w.url, `select coalesce(string_agg(x::text, ' '), '') from halosync.`+table+` x`)
		if strings.Contains(text, gateKey) || strings.Contains(text, "canary-next") {
			t.Errorf("%s shows the value: %s", table, text)
		}
	}
}

// The value is kept until it is replaced or removed. It is sent only to the address, and
// only under the name, for which it was entered.
func TestChangedHeader(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	g := w.gateway(gateKey)
	if _, err := w.engine.AddConnection(t.Context(), "t1", "test", g.input(w, "c")); err != nil {
		t.Fatal(err)
	}
	thief := w.gateway("thief")
	domain, auth, name, spelled, other, none, limit := thief.URL, thief.URL, "renamed", "X-GATEWAY-KEY", "X-Other", "", "100/1m"
	clientSecret, value, empty := secret.NewString(testSecret), secret.NewString(gateKey), secret.String{}
	for what, tt := range map[string]struct {
		change engine.ConnectionChange
		want   string // part of the error
	}{
		"domain":        {engine.ConnectionChange{Domain: &domain, Secret: &clientSecret}, "enter the header's value again"},
		"authorisation": {engine.ConnectionChange{AuthServer: &auth, Secret: &clientSecret}, "enter the header's value again"},
		"both":          {engine.ConnectionChange{Domain: &domain, AuthServer: &auth, Secret: &clientSecret}, "enter the header's value again"},
		"no secret":     {engine.ConnectionChange{Domain: &domain, HeaderValue: &value}, "enter the client secret again"},
		"other name":    {engine.ConnectionChange{HeaderName: &other}, "the header's value is missing"},
		"value only":    {engine.ConnectionChange{HeaderName: &none, HeaderValue: &value}, "the header's name is missing"},
		"empty value":   {engine.ConnectionChange{HeaderValue: &empty}, "the header's value is missing"},
	} {
		_, _, err := w.engine.UpdateConnection(t.Context(), "t1", "eve", "c", tt.change)
		if !errors.As(err, new(*engine.UsageError)) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), gateKey) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	if thief.strayed.Load() != 0 || thief.refused.Load() != 0 {
		t.Errorf("%d requests reached the other server", thief.refused.Load())
	}
	for what, change := range map[string]engine.ConnectionChange{
		"name of the connection": {Name: &name, RateLimit: &limit}, "other case": {HeaderName: &spelled},
	} {
		conn, err := w.store.Connections(t.Context(), "t1")
		if err != nil || len(conn) != 1 {
			t.Fatal(conn, err)
		}
		if _, _, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", conn[0].ID.String(), change); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// After its removal, the header is no longer sent.
	before := g.strayed.Load()
	_, _, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "renamed", engine.ConnectionChange{HeaderName: &none})
	if err == nil || g.strayed.Load() != before {
		t.Errorf("without the header: %v, %d requests with a value", err, g.strayed.Load()-before)
	}
	domain, auth = w.halo.ResourceServer(), w.halo.AuthServer()
	conn, _, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "renamed", engine.ConnectionChange{Domain: &domain, AuthServer: &auth, Secret: &clientSecret, HeaderName: &none})
	if err != nil || conn.HeaderName != "" {
		t.Errorf("removed: %q, %v", conn.HeaderName, err)
	}
	if stored, err := w.store.Credentials(t.Context(), "t1", conn.ID); err != nil || stored.HeaderName != "" {
		t.Errorf("stored %q, %v", stored.HeaderName, err)
	}
}

// A header that would change the requests is refused before any request, together with all
// other faults in the input.
func TestHeaderIsChecked(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	g := w.gateway(gateKey)
	for name, want := range map[string]string{
		"Host": "the header's name is Host", "Authorization": "the header's name is Authorization", "content-length": "begins with Content-",
		"X-Key: k3y": "a colon", "X Key": "letters, digits", "": "the header's name is missing",
	} {
		in := g.input(w, " ")
		in.HeaderName = name
		_, err := w.engine.AddConnection(t.Context(), "t1", "test", in)
		if !errors.As(err, new(*engine.UsageError)) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "name is missing") || strings.Contains(err.Error(), gateKey) {
			t.Errorf("%q: error %v", name, err)
		}
	}
	in := g.input(w, "c")
	in.HeaderValue = secret.NewString(gateKey + "\r\nHost: elsewhere")
	if _, err := w.engine.AddConnection(t.Context(), "t1", "test", in); err == nil || !strings.Contains(err.Error(), "the header's value contains a line break") || strings.Contains(err.Error(), gateKey) {
		t.Errorf("line break: %v", err)
	}
	if n := g.refused.Load() + g.tokens.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}
