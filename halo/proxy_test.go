package halo

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const proxyPassword = "pr0xy/pass"

// testProxy is an HTTP proxy that connects every name to this machine, and records what
// it was asked for.
type testProxy struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	auth  map[string]bool
	fail  func(http.ResponseWriter) // nil: connect
}

func newTestProxy(t *testing.T, tls bool) *testProxy {
	t.Helper()
	p := &testProxy{auth: map[string]bool{}}
	p.Server = httptest.NewUnstartedServer(p)
	if tls {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
	return p
}

func (p *testProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	p.auth[r.Header.Get("Proxy-Authorization")] = true
	p.mu.Unlock()
	if p.fail != nil {
		p.fail(w)
		return
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.Method != http.MethodConnect {
		r.URL.Host, r.RequestURI = "127.0.0.1:"+port, ""
		transport := &http.Transport{DisableKeepAlives: true}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	there, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(there, here)
		there.Close()
	}()
	go func() {
		_, _ = io.Copy(here, there)
		here.Close()
	}()
}

// requests returns what the proxy was asked for since the last call.
func (p *testProxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

// via returns the proxy's address with credentials.
func (p *testProxy) via(t *testing.T) *Proxy {
	t.Helper()
	proxy, err := ParseProxy(strings.Replace(p.URL, "://", "://proxyuser:pr0xy%2Fpass@", 1))
	if err != nil {
		t.Fatal(err)
	}
	return proxy
}

// tlsHalo starts a Halo with a certificate for example.com and 127.0.0.1.
func tlsHalo(t *testing.T) (port string, roots *x509.CertPool) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/auth/token", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, testToken)
	})
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id":7,"name":%q}`, r.Host)
	})
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, roots
}

// apiVia returns a handle on a Halo behind a proxy.
func apiVia(t *testing.T, base string, allow *Allow, p *Proxy, names *names, roots *x509.CertPool) *API {
	t.Helper()
	transport := newTransport(allow, wiring{resolver: names.resolver(), proxy: p})
	transport.TLSClientConfig.RootCAs = roots
	t.Cleanup(transport.CloseIdleConnections)
	return newAPI(t, Config{ResourceServer: base + "/api", AuthServer: base + "/auth", ClientID: "app", ClientSecret: testSecret, Transport: transport, Limits: Limits{RetryBudget: time.Millisecond}})
}

// A proxy is asked for the address that the guard has checked. The proxy gets the name only
// for a listed host, because this machine may be unable to resolve that name.
func TestCallsThroughAProxy(t *testing.T) {
	t.Parallel()
	port, roots := tlsHalo(t)
	for _, secured := range []bool{false, true} {
		proxy := newTestProxy(t, secured)
		if secured {
			roots.AddCert(proxy.Certificate())
		}
		for _, tt := range []struct {
			base, allow string
			names       map[string]string
			want        string
		}{
			{"https://example.com:" + port, "127.0.0.0/8", map[string]string{"example.com": "127.0.0.1"}, "CONNECT 127.0.0.1:" + port},
			{"https://example.com:" + port, "127.0.0.0/8", map[string]string{"example.com": "10.0.0.1 127.0.0.1"}, "CONNECT 127.0.0.1:" + port},
			{"https://example.com:" + port, "example.com", map[string]string{"example.com": "127.0.0.1"}, "CONNECT example.com:" + port},
			{"https://example.com:" + port, "example.com", nil, "CONNECT example.com:" + port},
			{"https://127.0.0.1:" + port, "127.0.0.1", nil, "CONNECT 127.0.0.1:" + port},
		} {
			a := apiVia(t, tt.base, mustAllow(t, tt.allow), proxy.via(t), leads(tt.names), roots)
			if c, err := a.Client(t.Context(), 7); err != nil || c.Name != strings.TrimPrefix(tt.base, "https://") {
				t.Errorf("%s: %+v, %v", tt.base, c, err)
			}
			if got := proxy.requests(); len(got) == 0 || slices.ContainsFunc(got, func(s string) bool { return s != tt.want }) {
				t.Errorf("%s with %s: asked for %q, want %q", tt.base, tt.allow, got, tt.want)
			}
		}
		if len(proxy.auth) != 1 || !proxy.auth["Basic cHJveHl1c2VyOnByMHh5L3Bhc3M="] {
			t.Errorf("credentials %v", proxy.auth)
		}
	}
	// Plain http goes to the proxy without a tunnel.
	proxy := newTestProxy(t, false)
	s := newStub(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":7}`) })
	base := strings.Replace(s.URL, "127.0.0.1", "halo.example", 1)
	a := apiVia(t, base, mustAllow(t, "halo.example"), proxy.via(t), leads(map[string]string{"halo.example": "127.0.0.1"}), nil)
	if _, err := a.Client(t.Context(), 7); err != nil {
		t.Error(err)
	}
	if got := proxy.requests(); len(got) != 2 || got[0] != "POST "+base+"/auth/token" || got[1] != "GET "+base+"/api/Client/7" && !strings.HasPrefix(got[1], "GET "+base+"/api/Client/7?") {
		t.Errorf("asked for %q", got)
	}
}

// The guard refuses the same addresses with a proxy. The proxy is not asked for them.
func TestProxyIsNotAskedForRefusedAddresses(t *testing.T) {
	t.Parallel()
	proxy := newTestProxy(t, false)
	own := proxy.Listener.Addr().String()
	_, ownPort, _ := net.SplitHostPort(own)
	asked := 0
	for _, tt := range hostile {
		host := strings.TrimSuffix(strings.TrimPrefix(tt.address, "https://"), "/")
		if tt.leads == "" || strings.ContainsAny(host, "/@") {
			continue
		}
		asked++
		name, _, _ := strings.Cut(strings.TrimSuffix(strings.ToLower(host), "."), ":")
		a := apiVia(t, "https://"+host, nil, proxy.via(t), leads(map[string]string{name: tt.leads}), nil)
		if _, err := a.Client(t.Context(), 7); !errors.Is(err, ErrRefused) {
			t.Errorf("%s, which leads to %s: %v", host, tt.leads, err)
		}
	}
	if asked < 5 {
		t.Errorf("%d addresses", asked)
	}
	for base, allow := range map[string]string{
		"https://127.0.0.1:8443": "", "https://10.0.0.1": "", "https://[::1]:8443": "", "https://169.254.169.254": "", "https://[::ffff:10.0.0.1]": "", "https://1.1.1.1:22": "",
		"https://meta.example": "meta.example", "http://meta.example": "meta.example", "http://169.254.169.254": "", "http://other.example:8080": "",
		"https://" + own: "127.0.0.1", "http://" + own: "127.0.0.1", "https://localhost:" + ownPort: "",
		// A listed range does not include the metadata services in it.
		"https://169.254.170.2": "169.254.0.0/16", "http://169.254.0.23": "169.254.0.0/16", "https://[::ffff:169.254.169.254]": "0.0.0.0/0", "https://[fd00:ec2::254]": "fd00::/8",
		"https://range.example": "100.64.0.0/10", "http://range.example": "100.64.0.0/10,range.example", "https://[64:ff9b::a9fe:a9fe]": "64:ff9b::/96", "https://[2002:a9fe:a9fe::1]": "::/0",
	} {
		names := leads(map[string]string{"meta.example": "169.254.169.254", "other.example": "10.0.0.1", "localhost": "127.0.0.1", "range.example": "100.100.100.200"})
		a := apiVia(t, base, mustAllow(t, strings.Split(allow, ",")...), proxy.via(t), names, nil)
		if _, err := a.Client(t.Context(), 7); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", base, err)
		}
	}
	if got := proxy.requests(); len(got) > 0 {
		t.Errorf("asked for %q", got)
	}
}

// Errors say what the proxy does, and never show its address, user or password.
func TestFaultsOfAProxy(t *testing.T) {
	t.Parallel()
	port, roots := tlsHalo(t)
	allow := mustAllow(t, "127.0.0.0/8")
	names := map[string]string{"example.com": "127.0.0.1"}
	status := func(code int) func(http.ResponseWriter) { return func(w http.ResponseWriter) { w.WriteHeader(code) } }
	raw := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, text)
			conn.Close()
		}
	}
	check := func(what string, err error, address, says string) {
		t.Helper()
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "HALOSYNC_PROXY "+says) ||
			strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "proxyuser") || strings.Contains(err.Error(), proxyPassword) {
			t.Errorf("%s: %v, want %q", what, err, says)
		}
	}
	for says, fail := range map[string]func(http.ResponseWriter){
		"does not accept its user and password": status(407),
		"refuses to connect":                    status(403),
		"cannot connect to Halo (status 502)":   status(502),
		"does not answer like an HTTP proxy":    raw("SSH-2.0-x\r\n"),
		"does not answer like":                  raw("HTTP/1.1 200 OK\r\n\r\nand more"),
		"does not":                              raw(""),
	} {
		proxy := newTestProxy(t, false)
		proxy.fail = fail
		_, err := apiVia(t, "https://example.com:"+port, allow, proxy.via(t), leads(names), roots).Client(t.Context(), 7)
		check(says, err, proxy.Listener.Addr().String(), says)
	}
	closed := newTestProxy(t, false)
	closed.Close()
	_, err := apiVia(t, "https://example.com:"+port, allow, closed.via(t), leads(names), roots).Client(t.Context(), 7)
	check("closed", err, closed.Listener.Addr().String(), "cannot be reached: ")
	secured := newTestProxy(t, true)
	_, err = apiVia(t, "https://example.com:"+port, allow, secured.via(t), leads(names), nil).Client(t.Context(), 7)
	check("unknown authority", err, secured.Listener.Addr().String(), "cannot be trusted")
	proxy := newTestProxy(t, false)
	proxy.fail = status(407)
	_, err = apiVia(t, "http://halo.example:"+port, mustAllow(t, "halo.example"), proxy.via(t), leads(map[string]string{"halo.example": "127.0.0.1"}), roots).Client(t.Context(), 7)
	check("plain http", err, proxy.Listener.Addr().String(), "does not accept its user and password")
	_, err = apiVia(t, "https://unknown.example", allow, proxy.via(t), leads(nil), roots).Client(t.Context(), 7)
	check("unknown name", err, proxy.Listener.Addr().String(), "is not asked for unknown.example")

	// If a proxy never answers, the call through it ends when the call's context ends.
	silent := newTestProxy(t, false)
	end := make(chan struct{})
	t.Cleanup(func() { close(end) }) // before the server is closed
	silent.fail = func(http.ResponseWriter) { <-end }
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := apiVia(t, "https://example.com:"+port, allow, silent.via(t), leads(names), roots).Client(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent proxy: %v", err)
	}
}

func TestParseProxy(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"http://proxy:3128": "http://proxy:3128", "proxy:3128": "http://proxy:3128", "https://ann:hunter2@Proxy.example/": "https://proxy.example:443",
		"http://ann:hunter2@10.0.0.1:8080": "http://10.0.0.1:8080", "http://[::1]:3128": "http://[::1]:3128", "http://proxy": "http://proxy:80", "ann:hunter2@proxy:1": "http://proxy:1",
	} {
		p, err := ParseProxy(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if text := fmt.Sprintf("%v|%+v|%#v|%s|%q|%x", p, p, p, p, p, p); p.String() != want || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s, want %s", in, text, want)
		}
	}
	for in, want := range map[string]string{
		"": "want http://host:port", "http://": "want http://host:port", "socks5://ann:hunter2@proxy:1080": "scheme", "http://ann:hun/hunter2@proxy:3128": "special characters",
		"http://proxy:3128/path": "nothing after", "http://proxy:3128?x=hunter2": "nothing after", "http://proxy:x": "malformed", "ftp://proxy": "scheme", "]": "host or port", "http://proxy:0": "host or port", "http://proxy:99999": "host or port", "http://ann:hunter2%zz@proxy": "special characters",
	} {
		if p, err := ParseProxy(in); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, %v, want %q", in, p, err, want)
		}
	}
}

func FuzzParseProxy(f *testing.F) {
	for _, s := range []string{"http://proxy:3128", "ann:pw@proxy", "https://[::1]:1/", "socks5://x", "http://a:b/c@d:1", "http://%zz", "http://x:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		p, err := ParseProxy(address)
		if err != nil {
			return
		}
		if host, port, err := net.SplitHostPort(p.address); err != nil || host == "" || port == "" {
			t.Errorf("%q: address %q", address, p.address)
		}
		if again, err := ParseProxy(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("%q: %v, again %v, %v", address, p, again, err)
		}
	})
}
