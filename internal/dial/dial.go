// Package dial opens handles on the Halo of a connection. A handle uses the connection's
// credentials, respects the request budget, and reports metrics and traces. The package
// also removes credentials from errors in a run.
package dial

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Config configures a [Dialer].
type Config struct {
	Store *repo.Store
	// Allow lists the hosts that may be private or use plain http; nil means none.
	Allow *halo.Allow
	// Roots are the trusted certificate authorities; nil means those of the system.
	// [halo.LoadRoots] adds private ones.
	Roots *x509.CertPool
	// Proxy is the proxy for all calls; nil means none.
	Proxy *halo.Proxy
	// Budget waits until one more request may go to a Halo instance. The argument limit is
	// the connection's own rate, or empty. A [*ratelimit.BudgetError] postpones a run. Nil
	// means no limit.
	Budget func(ctx context.Context, instance, limit string, class ratelimit.Class) error
	// Throttled is called after each 429, with the time of the request and the wait that
	// Halo requested (0 if none). May be nil.
	Throttled func(instance, limit string, sent time.Time, after time.Duration)
	// Observe is called after every HTTP attempt, for metrics. May be nil.
	Observe func(halo.Attempt)
	// Trace is called at the start of every HTTP attempt. The function that Trace returns
	// is called when the attempt ends. May be nil.
	Trace func(ctx context.Context, route string) (end func(status int, err error))
	// Memory is the budget for large answers, which all handles share. If it is nil, each
	// handle has its own budget.
	Memory *bulkhead.Memory
	// RetryBudget is how long one request to Halo may be retried before the run gives up
	// its worker slot; default 20 s.
	RetryBudget time.Duration
	// UserAgent is the User-Agent header of requests to Halo; default "halosync".
	UserAgent string
}

// Dialer opens handles. It is safe for concurrent use.
type Dialer struct {
	cfg       Config
	transport http.RoundTripper
}

// New returns a dialer. It does not connect.
func New(cfg Config) *Dialer {
	transport := halo.NewProxyTransport(cfg.Allow, cfg.Proxy)
	transport.TLSClientConfig.RootCAs = cfg.Roots
	return &Dialer{cfg: cfg, transport: transport}
}

// WithStore returns a copy of the dialer that reads connections from another store. The
// two dialers share everything else.
func (d *Dialer) WithStore(store *repo.Store) *Dialer {
	other := *d
	other.cfg.Store = store
	return &other
}

// Allow returns the hosts that may be private or use plain http.
func (d *Dialer) Allow() *halo.Allow { return d.cfg.Allow }

// Credentials hold the addresses and the credentials of one Halo.
type Credentials struct {
	Domain, AuthServer, HaloTenant, ClientID, RateLimit string
	Secret                                              secret.String
	// HeaderName and HeaderValue are the MSP's own HTTP header; both may be empty.
	HeaderName  string
	HeaderValue secret.String
	// Tenant is the tenant in whose part of the memory Halo's answers are read.
	Tenant string
	// TestedBy is the tenant that tests the credentials. It is empty once Halo has
	// accepted them.
	TestedBy string
}

// probeRate limits the requests with which one tenant tests credentials, across all Halos.
// Guessing credentials therefore cannot use up the budget of a Halo's other connections.
const probeRate = "60/5m"

// API opens a handle for requests of one class. It checks the addresses again, because
// HALOSYNC_ALLOW_HOSTS may have changed since they were stored.
func (d *Dialer) API(c Credentials, class ratelimit.Class) (*halo.API, error) {
	_, err := halo.ParseResourceServer(c.Domain, d.cfg.Allow)
	if err == nil {
		_, err = halo.ParseAuthServer(c.AuthServer, d.cfg.Allow)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", halo.ErrRefused, err)
	}
	instance := Instance(c.Domain, c.HaloTenant)
	gate := func(ctx context.Context) error {
		if d.cfg.Budget == nil {
			return nil
		}
		if c.TestedBy != "" {
			if err := d.cfg.Budget(ctx, "tests of "+c.TestedBy, probeRate, class); err != nil {
				return fmt.Errorf("too many credential tests in a short time: %w", err)
			}
		}
		return d.cfg.Budget(ctx, instance, c.RateLimit, class)
	}
	// A 429 from an authorisation server on another host does not throttle the Halo.
	// Otherwise, anyone could run such a server and block all connections to the Halo.
	otherHost := Instance(c.AuthServer, "") != Instance(c.Domain, "")
	observe := func(a halo.Attempt) {
		foreign := otherHost && proof.IsTokenError(a.Err)
		if errors.Is(a.Err, halo.ErrThrottled) && d.cfg.Throttled != nil && !foreign {
			after, _ := halo.RetryAfter(a.Err)
			d.cfg.Throttled(instance, c.RateLimit, a.Sent, after)
		}
		if d.cfg.Observe != nil {
			d.cfg.Observe(a)
		}
	}
	return halo.New(halo.Config{
		ResourceServer: c.Domain, AuthServer: c.AuthServer, Tenant: c.HaloTenant,
		ClientID: c.ClientID, ClientSecret: c.Secret.Reveal(), HeaderName: c.HeaderName, HeaderValue: c.HeaderValue.Reveal(),
		Transport: d.transport, Gate: gate, Observe: observe, Trace: d.cfg.Trace, UserAgent: d.cfg.UserAgent,
		Memory: d.cfg.Memory, Owner: c.Tenant, Limits: halo.Limits{RetryBudget: d.cfg.RetryBudget},
	})
}

// Open returns a stored connection and a handle on its Halo. The connection and its
// secrets are read together, and the secrets are sent only to the addresses that were
// read with them.
func (d *Dialer) Open(ctx context.Context, tenant string, id uuid.UUID, class ratelimit.Class) (repo.Connection, *halo.API, error) {
	stored, err := d.cfg.Store.Credentials(ctx, tenant, id)
	conn := stored.Connection
	if err != nil {
		return conn, nil, err
	}
	plain, err := stored.Secret()
	if err != nil {
		return conn, nil, CredentialsError(conn, err)
	}
	noteSecret(ctx, plain)
	value, err := stored.HeaderValue()
	if err != nil {
		return conn, nil, CredentialsError(conn, err)
	}
	noteSecret(ctx, value)
	api, err := d.API(Credentials{
		Tenant: tenant, Domain: conn.Domain, AuthServer: conn.AuthServer, HaloTenant: conn.HaloTenant,
		ClientID: conn.ClientID, Secret: plain, RateLimit: conn.RateLimit,
		HeaderName: conn.HeaderName, HeaderValue: value,
	}, class)
	return conn, api, err
}

// CredentialsError returns the error for stored credentials that could not be read, with
// advice. The advice is to enter the addresses again, too. If an attacker changed them,
// entering only the secret again would send it to the attacker.
func CredentialsError(conn repo.Connection, err error) error {
	hint := ""
	switch {
	case errors.Is(err, secret.ErrUnknownKey):
		hint = "; give this worker or command the new key set"
	case errors.Is(err, secret.ErrOpen):
		hint = fmt.Sprintf("; they open only for the addresses, client ID and Halo tenant that they were entered for, so enter all of them again: "+
			"enqueue connection update %q --domain D --auth-server A --client-id I --client-secret-file FILE", conn.Name)
		if conn.HeaderName != "" {
			hint += " --header-value-file FILE"
		}
	}
	return fmt.Errorf("credentials of connection %q: %w%s", conn.Name, err, hint)
}

// ClassOf returns the request class of the runs in a queue.
func ClassOf(queue string) ratelimit.Class {
	if queue == tasks.QueueInteractive {
		return ratelimit.Interactive
	}
	return ratelimit.Background
}

// Instance returns the key under which the request budget counts: the host of the
// resource server and the tenant on it. Different spellings of an address have the same
// key.
func Instance(domain, haloTenant string) string {
	host := domain
	if u, err := url.Parse(domain); err == nil && u.Host != "" {
		host = u.Host
		if u.Scheme == "https" {
			host = strings.TrimSuffix(host, ":443")
		}
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if haloTenant != "" {
		return host + "|" + strings.ToLower(haloTenant)
	}
	return host
}
