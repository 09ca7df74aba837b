package halo

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// The test covers every redirect status and every kind of target, for the token
// call and for a read. No redirect is followed, and only the configured server
// sees the secret and the token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var strayed []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		strayed = append(strayed, fmt.Sprint(r.Method, r.URL, r.Header, string(body)))
	}))
	t.Cleanup(other.Close)

	targets := []string{
		other.URL + "/auth/token", other.URL + "/api/Client/7", strings.Replace(other.URL, "127.0.0.1", "other.example", 1) + "/",
		strings.Replace(other.URL, "http:", "", 1) + "/x", // same scheme, other host
		strings.Replace(other.URL, "http:", "https:", 1) + "/",
		"HERE/auth/hop", "HERE/api/hop", "/auth/hop", "/api/hop", "hop", "?hop=1", // the server itself
		"http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "https://93.184.216.34/", "http://[::1]:1/",
		"file:///etc/passwd", "ftp://other.example/", "javascript:alert(1)", "http://user:pw@other.example/", "http://%31/", "",
	}
	for _, code := range []int{300, 301, 302, 303, 305, 307, 308} {
		for _, target := range targets {
			for _, at := range []string{"/auth/token", "/api/Client/7"} {
				var paths []string
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					paths = append(paths, r.URL.RequestURI())
					mu.Unlock()
					if r.URL.Path == "/auth/token" && at != r.URL.Path {
						w.Header().Set("Content-Type", "application/json")
						fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, testToken)
						return
					}
					// The target redirects again.
					w.Header().Set("Location", strings.Replace(target, "HERE", "http://"+r.Host, 1))
					w.WriteHeader(code)
				}))
				d := &dials{}
				transport := newTransport(mustAllow(t, "127.0.0.0/8", "other.example"), wiring{
					resolver: leads(map[string]string{"other.example": "127.0.0.1"}).resolver(), last: d.last,
				})
				a := newAPI(t, Config{
					ResourceServer: server.URL + "/api", AuthServer: server.URL + "/auth",
					ClientID: "app", ClientSecret: testSecret, Transport: transport,
				})
				_, err := a.Client(t.Context(), 7)
				transport.CloseIdleConnections()
				server.Close()

				if !errors.Is(err, ErrNotHalo) || strings.Contains(fmt.Sprint(err), "pw") {
					t.Errorf("%d to %q at %s: error %v", code, target, at, err)
				}
				want := []string{"/auth/token"}
				if at != want[0] {
					want = append(want, at)
				}
				if got := fmt.Sprint(paths); got != fmt.Sprint(want) {
					t.Errorf("%d to %q at %s: requested %s, want %s", code, target, at, got, want)
				}
				for _, address := range d.made() {
					if "http://"+address != server.URL {
						t.Errorf("%d to %q at %s: dialled %s", code, target, at, address)
					}
				}
			}
		}
	}
	if len(strayed) > 0 {
		t.Errorf("another server saw %q", strayed)
	}
}
