package engine_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
)

// front is a server in front of the simulated Halo. Its authorisation server issues tokens
// at only one path. The function elsewhere answers all other requests for paths that are
// not under /api.
type front struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // paths of the requests that carried the client secret
}

func (w *fixture) front(tokenPath string, elsewhere func(http.ResponseWriter)) *front {
	w.t.Helper()
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			f.mu.Lock()
			f.calls = append(f.calls, r.URL.Path)
			f.mu.Unlock()
		}
		switch {
		case r.URL.Path == tokenPath:
			r.URL.Path = "/auth/token"
		case !strings.HasPrefix(r.URL.Path, "/api/"):
			elsewhere(rw)
			return
		}
		w.halo.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(f.Close)
	return f
}

func (f *front) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func notFound(rw http.ResponseWriter) { rw.WriteHeader(http.StatusNotFound) }

// An address that ends in /token is used as it is. For any other address, the likely
// spellings are tried, and the one that works is stored.
func TestAuthServerIsFound(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	for _, tt := range []struct {
		at     string // path at which tokens are issued
		typed  string // path of the typed address
		stored string // path of the stored address
		calls  []string
	}{
		{"/auth/token", "", "/auth", []string{"/auth/token"}},
		{"/auth/token", "/", "/auth", []string{"/auth/token"}},
		{"/auth/token", "/auth", "/auth", []string{"/auth/token"}},
		{"/auth/token", "/auth/token", "/auth", []string{"/auth/token"}},
		{"/auth/token", "/wrong", "/auth", []string{"/wrong/auth/token", "/wrong/token", "/token", "/auth/token"}},
		{"/token", "", "/token", []string{"/auth/token", "/token"}},
		{"/token", "/", "/token", []string{"/auth/token", "/token"}},
		{"/token", "/auth", "/token", []string{"/auth/token", "/token"}},
		{"/token", "/auth/", "/token", []string{"/auth/token", "/token"}},
		{"/token", "/token", "/token", []string{"/token"}},
		{"/token", "/token/", "/token", []string{"/token"}},
		{"/token", "//token", "/token", []string{"/token"}},
		{"/Token", "/Token", "/Token", []string{"/Token"}},
		{"/halo/token", "/halo", "/halo/token", []string{"/halo/auth/token", "/halo/token"}},
		{"/halo/token", "/halo/token", "/halo/token", []string{"/halo/token"}},
		{"/halo/auth/token", "/halo", "/halo/auth", []string{"/halo/auth/token"}},
		{"/identity/connect/token", "/identity/connect", "/identity/connect/token", []string{"/identity/connect/auth/token", "/identity/connect/token"}},
		{"/identity/connect/token", "/identity/connect/token", "/identity/connect/token", []string{"/identity/connect/token"}},
	} {
		for what, elsewhere := range map[string]func(http.ResponseWriter){
			"no page":     notFound,
			"not allowed": func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusMethodNotAllowed) },
			"refused":     func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusUnauthorized) },
			"forbidden":   func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusForbidden) },
			"bad request": func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusBadRequest) },
			"the app":     func(rw http.ResponseWriter) { _, _ = rw.Write([]byte("<!doctype html><title>Halo</title>")) },
			"to a login":  func(rw http.ResponseWriter) { rw.Header().Set("Location", "/login"); rw.WriteHeader(http.StatusFound) },
			"empty":       func(http.ResponseWriter) {},
			"other JSON":  func(rw http.ResponseWriter) { _, _ = rw.Write([]byte(`{"status":"ok"}`)) },
		} {
			f := w.front(tt.at, elsewhere)
			in := w.input(tt.at + tt.typed + what)
			in.Domain, in.AuthServer = f.URL, f.URL+tt.typed
			conn, err := w.engine.AddConnection(t.Context(), "t1", "test", in)
			if calls := f.take(); err != nil || conn.AuthServer != f.URL+tt.stored || !slices.Equal(calls, tt.calls) {
				t.Errorf("token at %s, typed %q, elsewhere %s: stored %q, error %v, calls %q", tt.at, tt.typed, what, conn.AuthServer, err, calls)
				continue
			}
			// The stored address works from then on, with one request for a token.
			if _, err := w.engine.TestConnection(t.Context(), "t1", conn.ID.String()); err != nil || len(f.take()) != 1 {
				t.Errorf("token at %s, typed %q: test of the stored connection: %v", tt.at, tt.typed, err)
			}
		}
	}
}

// If the authorisation server answers with an OAuth error, its address is right, and the
// secret is not sent to any other path.
func TestAuthServerIsNotSoughtFurther(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	f := w.front("/auth/token", notFound)
	for what, tt := range map[string]struct {
		change func(*engine.ConnectionInput)
		want   error
	}{
		"wrong secret":    {func(in *engine.ConnectionInput) { in.Secret = secret.NewString("wrong") }, halo.ErrCredentials},
		"wrong client ID": {func(in *engine.ConnectionInput) { in.ClientID = "app-2" }, halo.ErrCredentials},
	} {
		in := w.input(what)
		in.Domain, in.AuthServer = f.URL, f.URL
		tt.change(&in)
		_, err := w.engine.AddConnection(t.Context(), "t1", "test", in)
		if calls := f.take(); !errors.Is(err, tt.want) || !slices.Equal(calls, []string{"/auth/token"}) {
			t.Errorf("%s: error %v, calls %q", what, err, calls)
		}
	}
	// If no address works, a refusal that is not an OAuth error is still reported.
	refusing := w.front("/nowhere", func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusUnauthorized) })
	in := w.input("refused")
	in.Domain, in.AuthServer = refusing.URL, refusing.URL
	if _, err := w.engine.AddConnection(t.Context(), "t1", "test", in); !errors.Is(err, halo.ErrCredentials) {
		t.Errorf("refused everywhere: error %v", err)
	}
}

// If no address works, the error names the addresses that were tried, and nothing is
// stored. All of them are on the host that was typed.
func TestAuthServerIsNotFound(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	f := w.front("/elsewhere/token", notFound)
	in := w.input("nowhere")
	in.Domain, in.AuthServer = f.URL, f.URL+"/halo"
	_, err := w.engine.AddConnection(t.Context(), "t1", "test", in)
	if !errors.Is(err, halo.ErrNotHalo) {
		t.Fatalf("error %v", err)
	}
	for _, path := range []string{"/halo/auth/token", "/halo/token", "/token", "/auth/token"} {
		if !strings.Contains(err.Error(), f.URL+path) {
			t.Errorf("the error does not name %s: %v", path, err)
		}
	}
	if calls := f.take(); len(calls) != 4 {
		t.Errorf("calls %q", calls)
	}
	if _, err := w.store.FindConnection(t.Context(), "t1", "nowhere"); err == nil {
		t.Error("the connection was stored")
	}
}

// A stored address is kept as long as the typed address can stand for it. A change to
// another path requires the secret again, and then all possible addresses are tried again.
func TestChangedAuthServerIsFound(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	f := w.front("/token", notFound)
	in := w.input("c")
	in.Domain, in.AuthServer = f.URL, f.URL
	conn, err := w.engine.AddConnection(t.Context(), "t1", "test", in)
	if err != nil || conn.AuthServer != f.URL+"/token" {
		t.Fatalf("stored %q, error %v", conn.AuthServer, err)
	}
	update := func(address string, value *secret.String) (string, error) {
		f.take()
		conn, _, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{AuthServer: &address, Secret: value})
		return conn.AuthServer, err
	}
	for _, same := range []string{f.URL, f.URL + "/", f.URL + "/auth", f.URL + "/token", strings.ToUpper(f.URL[:4]) + f.URL[4:] + "//token/"} {
		if stored, err := update(same, nil); err != nil || stored != conn.AuthServer || len(f.take()) != 1 {
			t.Errorf("%s: stored %q, error %v", same, stored, err)
		}
	}
	if _, err := update(f.URL+"/other/token", nil); !errors.As(err, new(*engine.UsageError)) || len(f.take()) != 0 {
		t.Errorf("another path without the secret: %v", err)
	}
	value := secret.NewString(testSecret)
	if stored, err := update(f.URL+"/auth", &value); err != nil || stored != conn.AuthServer {
		t.Errorf("with the secret: stored %q, error %v", stored, err)
	}

	// The authorisation server moves. Once the secret is entered again, the new address is
	// found.
	moved := w.front("/auth/token", notFound)
	if stored, err := func() (string, error) {
		domain, auth := moved.URL, moved.URL+"/"
		conn, _, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{Domain: &domain, AuthServer: &auth, Secret: &value})
		return conn.AuthServer, err
	}(); err != nil || stored != moved.URL+"/auth" {
		t.Errorf("moved: stored %q, error %v", stored, err)
	}
}
