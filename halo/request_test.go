package halo

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"Authorization": "Bearer tok-0001-abcdef", "Accept": "application/json", "User-Agent": "halosync", "Cookie": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("header %s: %q, want %q", name, got, want)
			}
		}
		fmt.Fprint(w, `{"id":7}`)
	})
	if _, err := s.api(t).Client(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
}

// The other server must not receive any request, let alone the token.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("redirect followed") }))
	t.Cleanup(other.Close)
	s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/login?state=private", http.StatusFound)
	})
	_, err := s.api(t).Client(t.Context(), 7)
	checkKind(t, err, ErrNotHalo)
	if !strings.Contains(err.Error(), "redirected to 127.0.0.1: is the address right?") || strings.Contains(err.Error(), "private") {
		t.Errorf("error %q", err)
	}

	s = newStub(t, nil)
	s.Config.Handler = http.RedirectHandler(other.URL, http.StatusTemporaryRedirect)
	_, err = s.api(t).Client(t.Context(), 7)
	checkKind(t, err, ErrNotHalo)
}

func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	big := `{"id":7,"notes":"` + strings.Repeat("x", 100_000) + `"}`
	for _, zipped := range []bool{false, true} {
		s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
			if !zipped {
				fmt.Fprint(w, big)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, big)
			_ = z.Close()
		})
		_, err := s.api(t, func(c *Config) { c.MaxBody = 50_000 }).Client(t.Context(), 7)
		checkKind(t, err, ErrTooLarge)
		if got := len(s.requests()); got != 1 {
			t.Errorf("zipped %t: %d requests, want no retries", zipped, got)
		}
		if _, err := s.api(t).Client(t.Context(), 7); err != nil {
			t.Errorf("zipped %t, within the bound: %v", zipped, err)
		}
	}
}

func TestBrokenConnectionsAreRetried(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	n := 0
	s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		try := n
		mu.Unlock()
		switch try {
		case 1: // no answer
			panic(http.ErrAbortHandler)
		case 2: // half a response
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"id":7,`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 3: // half of the JSON
			fmt.Fprint(w, `{"id":7,`)
		default:
			fmt.Fprint(w, `{"id":7}`)
		}
	})
	var got []Attempt
	a := s.api(t, func(c *Config) {
		// On a reused connection, net/http repeats a GET by itself.
		c.Transport.(*http.Transport).DisableKeepAlives = true
		c.Observe = func(at Attempt) { got = append(got, at) }
	})
	if _, err := a.Client(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	want := []Attempt{
		{Route: "POST /token", Status: 200, Try: 1},
		{Route: "GET /Client/{id}", Try: 1},
		{Route: "GET /Client/{id}", Status: 200, Bytes: 8, Try: 2},
		{Route: "GET /Client/{id}", Status: 200, Bytes: 8, Try: 3},
		{Route: "GET /Client/{id}", Status: 200, Bytes: 8, Try: 4},
	}
	want[0].Bytes = got[0].Bytes // the token response, of any size
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Attempt{}, "Sent", "Duration", "Err")); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	for i, at := range got {
		if bad := i >= 1 && i <= 3; bad != (at.Err != nil) || bad && !errors.Is(at.Err, ErrUnavailable) || at.Duration <= 0 {
			t.Errorf("attempt %d: error %v after %v", i, at.Err, at.Duration)
		}
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":7}`) })
	shut := errors.New("budget is spent")
	n, allowed := 0, 0
	a := s.api(t, func(c *Config) {
		c.Gate = func(context.Context) error {
			if n++; n > allowed {
				return shut
			}
			return nil
		}
	})
	for _, tt := range []struct {
		allowed, tokens, requests int
		text                      string
	}{
		{0, 0, 0, "read client 7: fetch token: budget is spent"},
		{1, 1, 0, "read client 7: budget is spent"},
		{1, 1, 1, ""},
	} {
		n, allowed = 0, tt.allowed
		_, err := a.Client(t.Context(), 7)
		if tt.text == "" && err != nil || tt.text != "" && (!errors.Is(err, shut) || err.Error() != tt.text) {
			t.Errorf("error %v, want %q", err, tt.text)
		}
		if s.tokens != tt.tokens || len(s.requests()) != tt.requests {
			t.Errorf("%d token requests, %d others; want %d and %d", s.tokens, len(s.requests()), tt.tokens, tt.requests)
		}
	}
}

func TestCallerWhoLeavesGetsContextError(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	s := newStub(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	var last Attempt
	_, err := s.api(t, func(c *Config) { c.Observe = func(at Attempt) { last = at } }).Client(ctx, 7)
	if !errors.Is(last.Err, context.Canceled) {
		t.Errorf("observed %v", last.Err)
	}
	if !errors.Is(err, context.Canceled) || err.Error() != "read client 7: context canceled" {
		t.Errorf("error %v", err)
	}
	if _, err := s.api(t).Client(ctx, 7); !errors.Is(err, context.Canceled) {
		t.Errorf("call with a cancelled context: error %v", err)
	}
}

func TestSlowAnswerTimesOut(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"id":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	// The timeout is long enough for the token call on a busy machine.
	a := s.api(t, func(c *Config) { c.AttemptTimeout, c.RetryBudget = 3*time.Second, time.Nanosecond })
	a.jitter = func(limit time.Duration) time.Duration { return limit }
	_, err := a.Client(t.Context(), 7)
	checkKind(t, err, ErrUnavailable)
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 200 || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestPrivateAddressIsRefused(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(http.ResponseWriter, *http.Request) { t.Error("connected") })
	for name, allow := range map[string]*Allow{"none": nil, "other port": mustAllow(t, "127.0.0.1:1"), "other host": mustAllow(t, "localhost")} {
		_, err := s.api(t, func(c *Config) { c.Transport = NewTransport(allow) }).Client(t.Context(), 7)
		checkKind(t, err, ErrRefused)
		if e, ok := errors.AsType[*Error](err); !ok || e.Attempts != 1 {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// A name that resolves to a private address is also refused, unless the name or
// the address is allowed.
func TestTransportChecksAfterResolution(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dial := func(allow *Allow, host string) error {
		conn, err := NewTransport(allow).DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err == nil {
			conn.Close()
		}
		return err
	}
	for _, ok := range []string{"localhost", "localhost:" + port, "127.0.0.0/8", "127.0.0.1"} {
		if err := dial(mustAllow(t, ok), "localhost"); err != nil {
			t.Errorf("localhost with %s allowed: %v", ok, err)
		}
	}
	for _, no := range []string{"", "localhost:1", "10.0.0.0/8", "example.com"} {
		if err := dial(mustAllow(t, no), "localhost"); err == nil {
			t.Errorf("localhost with %q allowed: connected", no)
		}
	}
}

func TestTransportSettings(t *testing.T) {
	t.Parallel()
	tr := NewTransport(nil)
	if tr.Proxy != nil || tr.TLSClientConfig.MinVersion != tls.VersionTLS12 || tr.TLSClientConfig.InsecureSkipVerify {
		t.Errorf("proxy %t, TLS %+v", tr.Proxy != nil, tr.TLSClientConfig)
	}
}

func TestUnknownCertificateIsFinal(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	a := newAPI(t, Config{
		ResourceServer: server.URL + "/api", AuthServer: server.URL + "/auth",
		ClientID: "app", ClientSecret: testSecret, Transport: localTransport(t),
	})
	_, err := a.Client(t.Context(), 7)
	checkKind(t, err, ErrUnavailable)
	if e, ok := errors.AsType[*Error](err); !ok || e.Attempts != 1 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
}

// The error does not show the name server's address.
func TestFailedLookUp(t *testing.T) {
	t.Parallel()
	a := wired(t, wire{token: func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "acme.halopsa.test", Server: "10.0.0.2:53", IsTemporary: true}}
	}}, func(c *Config) { c.RetryBudget = 1 })
	_, err := a.Client(t.Context(), 7)
	checkKind(t, err, ErrUnavailable)
	if want := "read client 7: fetch token: unavailable: host acme.halopsa.test could not be looked up: server misbehaving"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestUnknownHostIsFinal(t *testing.T) {
	t.Parallel()
	a := wired(t, wire{token: func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "acme.halopsa.test", IsNotFound: true}}
	}})
	_, err := a.Client(t.Context(), 7)
	checkKind(t, err, ErrUnavailable)
	if want := "read client 7: fetch token: unavailable: host acme.halopsa.test does not exist"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}
