package halotest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListen(t *testing.T) {
	t.Parallel()
	h := New()
	if h.URL() != "" {
		t.Errorf("URL %q before Listen", h.URL())
	}
	if err := h.Listen("nonsense"); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
		t.Errorf("error %v", err)
	}
	if err := h.Listen(":0"); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(h.URL(), "http://127.0.0.1:") || h.ResourceServer() != h.URL()+"/api" || h.AuthServer() != h.URL()+"/auth" {
		t.Errorf("URLs %s %s %s", h.URL(), h.ResourceServer(), h.AuthServer())
	}
	if err := h.Listen("127.0.0.1:0"); err == nil {
		t.Error("listening twice")
	}
	other := New()
	if err := other.Listen(strings.TrimPrefix(h.URL(), "http://")); err == nil {
		t.Error("two on one port")
	}
	other.Close()
	h.Close()
	h.Close()
	if err := h.Listen("127.0.0.1:0"); err == nil {
		t.Error("listening after Close")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/authinfo", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d after Close", w.Code)
	}
}

// fakeTB is a test that counts its cleanups.
type fakeTB struct {
	testing.TB
	cleanups int
}

func (f *fakeTB) Helper()        {}
func (f *fakeTB) Cleanup(func()) { f.cleanups++ }

func TestStartClosesAtCleanup(t *testing.T) {
	t.Parallel()
	f := &fakeTB{TB: t}
	h := Start(f)
	defer h.Close()
	if f.cleanups != 1 {
		t.Errorf("%d cleanups", f.cleanups)
	}
}

// A Halo used as a plain handler needs no listener. It cannot break
// connections.
func TestHandler(t *testing.T) {
	t.Parallel()
	h := New()
	defer h.Close()
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://acme.halo.example"+path, nil))
		return w
	}
	if got := ask("/api/authinfo").Body.String(); got != `{"auth_url":"https://acme.halo.example/auth","tenant_id":""}` {
		t.Error(got)
	}
	h.Fault(Rule{}, Reset())
	if w := ask("/api/authinfo"); w.Code != http.StatusBadGateway {
		t.Errorf("status %d", w.Code)
	}
}

func TestProfileDefaults(t *testing.T) {
	t.Parallel()
	h := New(WithProfile(Profile{PageCap: 20, RateLimit: Off}))
	want := fmt.Sprintf("%+v", Profile{
		PageCap: 20, LogoBytes: 65536, DeletedStatus: 404, TokenLifetime: 3600e9, RateLimit: Off, RateWindow: 300e9,
	})
	if d := cmp.Diff(want, fmt.Sprintf("%+v", h.Profile())); d != "" {
		t.Error(d)
	}
	h.SetProfile(func(p *Profile) { p.PageCap = 0 })
	if got := h.Profile().PageCap; got != 100 {
		t.Errorf("PageCap %d, want its default", got)
	}
}
