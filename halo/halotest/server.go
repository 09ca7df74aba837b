package halotest

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// server holds the listener of a [Halo] and counts active requests.
type server struct {
	closing chan struct{} // closed by Close; waiting requests then give up

	mu     sync.Mutex // guards the fields below
	closed bool
	active int
	idle   chan struct{} // set by Close, closed when active reaches 0
	url    string
	http   *http.Server
	served chan struct{} // closed when http.Serve has returned
}

// TB is the part of [testing.TB] that [Start] needs. This package does not import testing,
// because the demo imports this package.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start returns a Halo that listens on a free port of 127.0.0.1 until the test
// ends.
func Start(tb TB, opts ...Option) *Halo {
	tb.Helper()
	h := New(opts...)
	if err := h.Listen("127.0.0.1:0"); err != nil {
		tb.Fatalf("simulated Halo: %v", err)
	}
	tb.Cleanup(h.Close)
	return h
}

// Listen serves plain HTTP on addr ("127.0.0.1:0" for a free port). It returns
// once the server accepts requests. It can be called only once on a Halo.
func (h *Halo) Listen(addr string) error { return h.listen(addr, nil) }

// ListenTLS is like [Halo.Listen], but serves HTTPS. It uses the self-signed certificate of
// net/http/httptest, which is valid for 127.0.0.1 and [::1]. It returns that certificate in
// PEM form.
func (h *Halo) ListenTLS(addr string) (authority []byte, err error) {
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: lender.Certificate().Raw})
	return authority, h.listen(addr, &tls.Config{
		Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	})
}

func (h *Halo) listen(addr string, secure *tls.Config) error {
	s := &h.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.http != nil {
		return errors.New("listen: closed or listening already")
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}

	s.url = "http://" + reachable(ln.Addr())
	if secure != nil {
		s.url = "https://" + reachable(ln.Addr())
		ln = tls.NewListener(ln, secure)
	}
	s.served = make(chan struct{})
	s.http = &http.Server{
		Handler:           h,
		TLSConfig:         secure,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are intended
	}
	go func(srv *http.Server, served chan struct{}) {
		defer close(served)
		_ = srv.Serve(ln) // Serve always returns an error; here Close causes it
	}(s.http, s.served)
	return nil
}

// reachable returns an address that can be dialled. A listener on all
// interfaces is reached through loopback.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return a.String()
}

// Close stops listening, breaks connections and returns when no request is
// active. It may be called more than once.
func (h *Halo) Close() {
	s := &h.server
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.idle = make(chan struct{})
		close(s.closing)
		if s.active == 0 {
			close(s.idle)
		}
	}
	srv, served, idle := s.http, s.served, s.idle
	s.mu.Unlock()

	if srv != nil {
		_ = srv.Close()
		<-served
	}
	<-idle
}

// URL returns the root of the instance, such as http://127.0.0.1:40001, or ""
// before [Halo.Listen].
func (h *Halo) URL() string {
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	return h.server.url
}

// ResourceServer returns the base URL of the API, as Halo's API-details page
// shows it.
func (h *Halo) ResourceServer() string { return h.URL() + "/api" }

// AuthServer returns the base URL of the token endpoint, as Halo's API-details
// page shows it.
func (h *Halo) AuthServer() string { return h.URL() + "/auth" }

// enter counts an active request. It returns false if the instance is closed.
func (s *server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.active++
	return true
}

// leave counts an active request as ended.
func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	if s.closed && s.active == 0 {
		close(s.idle)
	}
}

// wait waits for the duration d on the wall clock. It returns false if the client gives up
// or the instance is closed first. A negative d waits until one of these happens.
func (s *server) wait(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	var passed <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-passed:
		return true
	case <-ctx.Done():
		return false
	case <-s.closing:
		return false
	}
}
