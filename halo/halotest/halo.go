package halotest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Halo is a simulated instance: one host with one or more tenants. It is an
// [http.Handler].
type Halo struct {
	mu      sync.Mutex
	profile Profile
	now     func() time.Time
	tenants map[string]*Tenant
	tokens  map[string]*token
	issued  int
	faults  faults
	log     Log
	inside  int // requests being answered

	afterPage func(PageEvent)
	lists     int

	server   *http.Server
	listener net.Listener
	done     chan struct{} // closed by Close; ends answers that hang
	closing  sync.Once
}

// Option configures [New].
type Option func(*Halo)

// WithProfile sets the switches.
func WithProfile(p Profile) Option { return func(h *Halo) { h.profile = p } }

// WithClock replaces the clock of tokens, dates and the rate window.
func WithClock(now func() time.Time) Option { return func(h *Halo) { h.now = now } }

// New makes a Halo without a listener.
func New(opts ...Option) *Halo {
	h := &Halo{
		profile: DefaultProfile(), now: time.Now,
		tenants: map[string]*Tenant{}, tokens: map[string]*token{}, done: make(chan struct{}),
	}
	h.log.init()
	for _, o := range opts {
		o(h)
	}
	return h
}

// TB is the part of testing.TB that [Start] needs; a program that shows a
// simulated Halo does not link package testing.
type TB interface {
	Cleanup(func())
	Helper()
	Fatalf(format string, args ...any)
}

// Start makes a Halo that listens until the test ends.
func Start(tb TB, opts ...Option) *Halo {
	tb.Helper()
	h := New(opts...)
	if err := h.Listen("127.0.0.1:0"); err != nil {
		tb.Fatalf("halotest: %v", err)
	}
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Fatalf("halotest: %v", err)
		}
	})
	return h
}

// Listen serves at addr (host:port) in the background.
func (h *Halo) Listen(addr string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("simulated Halo: %w", err)
	}
	h.listener, h.server = l, &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = h.server.Serve(l) }() // ends with Close
	return nil
}

// Close ends the listener and all answers. Calling it twice is harmless.
func (h *Halo) Close() error {
	h.closing.Do(func() { close(h.done) })
	if h.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return h.server.Close()
}

// URL is where the instance listens.
func (h *Halo) URL() string { return "http://" + h.listener.Addr().String() }

// ResourceServer is the base of API requests, as Halo's settings show it.
func (h *Halo) ResourceServer() string { return h.URL() + "/api" }

// AuthServer is the base of token calls, as Halo's settings show it.
func (h *Halo) AuthServer() string { return h.URL() + "/auth" }

// SetProfile changes the switches while requests may be under way.
func (h *Halo) SetProfile(change func(*Profile)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.profile)
}

// Tenant returns a tenant, which comes into being at its first use. "" is the
// one of an own subdomain, where requests need not name it.
func (h *Halo) Tenant(name string) *Tenant {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.tenants[name]
	if !ok {
		t = &Tenant{h: h, name: name, apps: map[string]*App{}, clients: map[int64]*record{}}
		h.tenants[name] = t
	}
	return t
}

// PageEvent is a list page that has been answered.
type PageEvent struct {
	Tenant *Tenant
	Page   int // page_no of the request
	Nth    int // of all list requests, from 1
}

// AfterPage sets what happens between a list page and the next request: f
// runs after the rows of the page have been chosen and before they are sent.
// It may change clients.
func (h *Halo) AfterPage(f func(PageEvent)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.afterPage = f
}
