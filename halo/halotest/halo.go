package halotest

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Halo is one simulated instance, with one address and any number of tenants.
// It is an [http.Handler], and [Halo.Listen] starts a server for it. All
// methods are safe for concurrent use.
type Halo struct {
	now      func() time.Time
	settings atomic.Pointer[settings]
	tokens   tokenStore
	limiter  limiter
	script   script
	journal  journal
	hooks    hooks
	server   server
	bodies   bodyPool

	mu      sync.RWMutex
	tenants map[string]*Tenant
}

var _ http.Handler = (*Halo)(nil)

// Option sets an option of a new [Halo].
type Option func(*Halo)

// WithProfile sets the profile. Numbers that are zero take their defaults.
func WithProfile(p Profile) Option {
	return func(h *Halo) { h.settings.Store(complete(p)) }
}

// WithClock replaces the clock for token lifetimes, the request limit and the
// log. Latency and delays of faults still use the wall clock. The function must
// be safe for concurrent use.
func WithClock(now func() time.Time) Option {
	return func(h *Halo) { h.now = now }
}

// New returns a Halo without tenants and without a listener.
func New(opts ...Option) *Halo {
	h := &Halo{now: time.Now, tenants: make(map[string]*Tenant)}
	h.settings.Store(complete(Profile{}))
	h.server.closing = make(chan struct{})
	for _, o := range opts {
		o(h)
	}
	return h
}

// Tenant returns the tenant with that name and creates it on first use. A
// hosted Halo distinguishes tenants by the tenant parameter of the token call.
// The tenant named "" belongs to the host itself and is used if the parameter
// is absent. Applications cannot use a tenant before it has been created in this way.
func (h *Halo) Tenant(name string) *Tenant {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tenants[name]
	if t == nil {
		t = newTenant(h, name)
		h.tenants[name] = t
	}
	return t
}

// lookup returns the tenant with that name, or nil.
func (h *Halo) lookup(name string) *Tenant {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.tenants[name]
}

// SetProfile changes the profile, starting with the next request. change
// receives the current profile, with its defaults.
func (h *Halo) SetProfile(change func(*Profile)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.settings.Load().Profile
	change(&p)
	h.settings.Store(complete(p))
}

// Profile returns the current profile, with its defaults.
func (h *Halo) Profile() Profile { return h.settings.Load().Profile }
