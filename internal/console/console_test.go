package console

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/halosync/halosync/internal/access"
)

func TestBase(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for path, want := range map[string]int{"/": 303, "/nowhere": 404, "/assets/nothing.css": 404} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		c.ServeHTTP(w, r.WithContext(access.With(r.Context(), access.Principal{Tenant: "acme", Scope: access.Read})))
		if w.Code != want {
			t.Errorf("GET %s: %d, want %d\n%s", path, w.Code, want, w.Body)
		}
	}
	w := httptest.NewRecorder()
	c.SignInPage(w, httptest.NewRequest(http.MethodGet, "/signin", nil), 401, "no such key", "/runs")
	if w.Code != 401 {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}
