package halo

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// With a proxy from the environment, the guard would check the proxy's address,
// and the proxy would see every target.
func TestProxiesAreIgnored(t *testing.T) {
	proxy := listen(t)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:"+proxy.port())
	}
	s := newStub(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":7}`) })
	base := strings.Replace(s.URL, "127.0.0.1", "halo.example", 1) // a loopback address itself never goes through a proxy
	d := &dials{}
	transport := newTransport(mustAllow(t, "halo.example"), wiring{resolver: leads(map[string]string{"halo.example": "127.0.0.1"}).resolver(), last: d.last})
	t.Cleanup(transport.CloseIdleConnections)
	a := newAPI(t, Config{ResourceServer: base + "/api", AuthServer: base + "/auth", ClientID: "app", ClientSecret: testSecret, Transport: transport})
	if _, err := a.Client(t.Context(), 7); err != nil {
		t.Error(err)
	}
	proxy.untouched(t)
}

// Between requests, the client keeps only the token: no cookie and no new
// address.
func TestServersCannotMakeUsRemember(t *testing.T) {
	t.Parallel()
	n := 0
	s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		if len(r.Cookies()) > 0 {
			t.Errorf("cookies %v", r.Cookies())
		}
		w.Header().Set("Set-Cookie", "session=x; Path=/")
		w.Header().Set("Alt-Svc", `h2="other.example:443", h3=":443"; ma=86400`)
		w.Header().Set("Strict-Transport-Security", "max-age=86400")
		w.Header().Set("Refresh", "0; url=http://other.example/")
		w.Header().Set("Link", "<http://other.example/>; rel=preload")
		fmt.Fprint(w, `{"id":7}`)
	})
	d := &dials{}
	transport := newTransport(mustAllow(t, "127.0.0.1"), wiring{resolver: leads(nil).resolver(), last: d.last})
	t.Cleanup(transport.CloseIdleConnections)
	a := s.api(t, func(c *Config) { c.Transport = transport })
	for range 3 {
		if _, err := a.Client(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
	}
	if made := d.made(); n != 3 || len(made) != 1 || "http://"+made[0] != s.URL {
		t.Errorf("%d requests; dialled %v", n, made)
	}
}

// A connection serves only one host, even if two names resolve to the same
// address.
func TestConnectionsAreNotSharedByHosts(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":7}`) })
	d := &dials{}
	transport := newTransport(mustAllow(t, "a.example", "b.example"), wiring{
		resolver: leads(map[string]string{"a.example": "127.0.0.1", "b.example": "127.0.0.1"}).resolver(), last: d.last,
	})
	t.Cleanup(transport.CloseIdleConnections)
	for i, host := range []string{"a.example", "b.example"} {
		base := strings.Replace(s.URL, "127.0.0.1", host, 1)
		a := newAPI(t, Config{ResourceServer: base + "/api", AuthServer: base + "/auth", ClientID: "app", ClientSecret: testSecret, Transport: transport})
		if _, err := a.Client(t.Context(), 7); err != nil || len(d.made()) != i+1 {
			t.Errorf("%s: %d connections, error %v", host, len(d.made()), err)
		}
	}
}

func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1<<10))
		}
		fmt.Fprint(w, `{"id":7}`)
	})
	_, err := s.api(t, func(c *Config) { c.RetryBudget = 1 }).Client(t.Context(), 7)
	checkKind(t, err, ErrUnavailable)
	if err == nil || !strings.Contains(err.Error(), "headers exceeded") {
		t.Errorf("error %v", err)
	}
}
