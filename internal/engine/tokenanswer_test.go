package engine_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
)

// Regardless of the lifetime that the answer states, a connection can be added, and an
// import of several pages needs only one token.
func TestOneTokenPerImport(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 250)
	var tokens atomic.Int64
	var life atomic.Value
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/auth/token" {
			w.halo.ServeHTTP(rw, r)
			return
		}
		tokens.Add(1)
		answer := httptest.NewRecorder()
		w.halo.ServeHTTP(answer, r)
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write([]byte(strings.Replace(answer.Body.String(), `"expires_in":3600`, life.Load().(string), 1)))
	}))
	t.Cleanup(front.Close)
	for _, said := range []string{
		`"expires_in":3600`, `"expires_in":3600.0`, `"expires_in":3599.7`, `"expires_in":"3600.0"`, `"expires_in":""`, `"expires_in":3.6e3`,
		`"expires_in":-1`, `"expires_in":0`, `"expires_in":1`, `"expires_in":1e400`, `"expires_in":null`, `"expires_in":true`, `"expires_in":"NaN"`,
		`"expires_in":[]`, `"x":1`,
	} {
		life.Store(said)
		in := w.input(said)
		in.Domain, in.AuthServer = front.URL, front.URL
		conn, err := w.engine.AddConnection(t.Context(), "t1", "test", in)
		if err != nil {
			t.Errorf("%s: %v", said, err)
			continue
		}
		tokens.Store(0)
		// A run with ambiguous names is partial, although it has read the whole list.
		if run := w.importAll(conn); !run.Complete || run.Failed > 0 || run.Records != 250 || tokens.Load() != 1 {
			t.Errorf("%s: %s, %d records, %d tokens: %s", said, run.State, run.Records, tokens.Load(), run.Error)
		}
	}
}

// If the authorisation server of a stored connection persistently answers without a token,
// a person must reconnect. A maintenance page is only temporary.
func TestConnectionWithoutTokens(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = 1 })
	for what, tt := range map[string]struct {
		fault halotest.Fault
		state repo.ConnectionState
	}{
		"other JSON":    {halotest.Status(200, `{"status":"ok"}`), repo.NeedsReconnect},
		"empty":         {halotest.Status(200, ""), repo.NeedsReconnect},
		"null token":    {halotest.Status(200, `{"access_token":null,"expires_in":3600}`), repo.NeedsReconnect},
		"text":          {halotest.Status(200, "ok"), repo.NeedsReconnect},
		"no page":       {halotest.Status(404, "<title>Not found</title>"), repo.NeedsReconnect},
		"not allowed":   {halotest.Status(405, ""), repo.NeedsReconnect},
		"maintenance":   {halotest.HTML200(), repo.Active},
		"to a login":    {halotest.Status(302, "", "Location", "/login"), repo.Active},
		"not available": {halotest.Status(503, ""), repo.Active},
	} {
		w.halo.ClearFaults()
		conn := w.connect("t1", what)
		w.halo.Fault(halotest.Rule{Route: halotest.RouteToken, Times: halotest.Forever}, tt.fault)
		j := job(all(conn))
		const attempts = 10
		for j.Attempt = 1; j.Attempt <= attempts; j.Attempt++ {
			j.Final = j.Attempt == attempts
			_, _ = w.engine.Import(t.Context(), j)
			got, err := w.store.Connection(t.Context(), "t1", conn.ID)
			if err != nil {
				t.Fatal(err)
			}
			want := repo.Active // until the last attempt, the refusal may be temporary
			if j.Final {
				want = tt.state
			}
			if got.State != want || (want == repo.NeedsReconnect) != strings.Contains(got.StateReason, "fetch token") {
				t.Errorf("%s, attempt %d: %s (%s), want %s", what, j.Attempt, got.State, got.StateReason, want)
			}
		}
		if run := w.run(j); tt.state == repo.NeedsReconnect && run.State != repo.StateFailed {
			t.Errorf("%s: the run is %s", what, run.State)
		}
	}
}
