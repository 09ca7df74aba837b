// Package engine holds the use cases of halosync: connect, browse, import and
// what surrounds a run. It is the one package that knows what the program is
// for; the queue, the CLI and the console all end here.
//
// Decisions are pure functions in files of their own: what happens to one
// client (plan.go), whether a listing is complete (complete.go), whether a
// failed run is tried again (verdict.go).
package engine

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
	"go.uber.org/zap"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// Config is what an [Engine] works with.
type Config struct {
	Store *repo.Store
	// Queue is needed to request runs; a worker that only executes them can
	// leave it nil.
	Queue *tasks.Client
	// Allow lists the hosts that may be private or plain http; nil means none.
	Allow *halo.Allow
	// Roots are the authorities whose certificates are accepted from Halo; nil
	// means the system's. [halo.LoadRoots] adds private ones.
	Roots *x509.CertPool
	// Budget waits until one more request may go to a Halo instance. limit is
	// the connection's own rate, or empty. A [*ratelimit.BudgetError] puts a run
	// off. Nil means no budget.
	Budget func(ctx context.Context, instance, limit string, class ratelimit.Class) error
	// Throttled is told of each 429, with the time at which the request was
	// sent and the wait that Halo asked for, 0 for none. May be nil.
	Throttled func(instance, limit string, sent time.Time, after time.Duration)
	// Observe is told of every HTTP attempt, for metrics. May be nil.
	Observe func(halo.Attempt)
	// Trace is told of every HTTP attempt while it goes on. May be nil.
	Trace func(ctx context.Context, route string) (end func(status int, err error))
	// RetryBudget is how long one request to Halo may be retried before the run
	// gives its worker slot back; default halo's, 20 s.
	RetryBudget time.Duration
	// UserAgent of the requests to Halo; default "halosync".
	UserAgent string
	Log       *zap.Logger // default: none
	// TenantRuns is how many bulk runs (imports, resyncs) of one tenant are
	// running at a time in the whole fleet; 0: any number.
	TenantRuns int
	// Turn is how long one execution of a run goes on before it hands its worker
	// slot to others that wait, and queues up again; default 30 s.
	Turn time.Duration
	// Slice is how long it goes on if nobody waits; default 5 minutes.
	Slice time.Duration
	// Schedule is when connections without a schedule of their own are
	// resynced; see [ParseSchedule]. Default "30 4 * * *".
	Schedule string
	// Spread is the window over which the starts of different connections are
	// spread. Default none.
	Spread time.Duration
	// Keep is how long history is kept. Default: for ever.
	Keep Retention
	// Ended is told of each run that this engine ends, Wrote of what each
	// transaction of a run brought, Forgot of old history that was removed; for
	// metrics. They may be nil.
	Ended  func(Ended)
	Wrote  func(kind string, pages, records int)
	Forgot func(Forgotten)
	// Now moves the clock of the schedule, for tests. Nil is the database's.
	Now func() time.Time
}

// Engine runs the use cases. It is safe for concurrent use.
type Engine struct {
	store     *repo.Store
	queue     *tasks.Client
	allow     *halo.Allow
	transport http.RoundTripper
	budget    func(ctx context.Context, instance, limit string, class ratelimit.Class) error
	throttled func(instance, limit string, sent time.Time, after time.Duration)
	observe   func(halo.Attempt)
	trace     func(ctx context.Context, route string) (end func(status int, err error))
	agent     string
	retries   time.Duration
	log       *zap.Logger
	turn      time.Duration
	slice     time.Duration
	// tenantRuns is how many bulk runs of one tenant are running; 0: any number.
	tenantRuns int
	schedule   string
	spread     time.Duration
	keep       Retention
	ended      func(Ended)
	wrote      func(kind string, pages, records int)
	forgot     func(Forgotten)
	now        func() time.Time // zero: the database's time
}

// New returns an engine; it makes no connection of its own.
func New(cfg Config) *Engine {
	transport := halo.NewTransport(cfg.Allow)
	transport.TLSClientConfig.RootCAs = cfg.Roots
	e := &Engine{
		store: cfg.Store, queue: cfg.Queue, allow: cfg.Allow,
		transport: transport,
		budget:    cfg.Budget, throttled: cfg.Throttled, observe: cfg.Observe, trace: cfg.Trace, agent: cfg.UserAgent, retries: cfg.RetryBudget,
		log: cfg.Log, turn: cfg.Turn, slice: cfg.Slice, tenantRuns: cfg.TenantRuns,
		schedule: cfg.Schedule, spread: cfg.Spread, now: cfg.Now,
		keep: cfg.Keep, ended: cfg.Ended, wrote: cfg.Wrote, forgot: cfg.Forgot,
	}
	if e.ended == nil {
		e.ended = func(Ended) {}
	}
	if e.wrote == nil {
		e.wrote = func(string, int, int) {}
	}
	if e.schedule == "" {
		e.schedule = "30 4 * * *"
	}
	if e.now == nil {
		e.now = func() time.Time { return time.Time{} }
	}
	if e.log == nil {
		e.log = zap.NewNop()
	}
	if e.turn == 0 {
		e.turn = 30 * time.Second
	}
	if e.slice == 0 {
		e.slice = 5 * time.Minute
	}
	return e
}

// candidate is everything needed to talk to one Halo, stored or not yet.
type candidate struct {
	Domain, AuthServer, HaloTenant, ClientID, RateLimit string
	Secret                                              secret.String
	// Unproved is the tenant that offers the credentials, as long as nobody knows
	// whether they are good; else empty.
	Unproved string
}

// probeRate bounds the requests with which one tenant tests credentials, to
// whatever Halo, so that nobody without credentials for a Halo can use up the
// budget of those who have them.
const probeRate = "60/5m"

// api opens a handle on a candidate's Halo, for requests of one class. A stored
// address is checked again: what it was checked by, HALOSYNC_ALLOW_HOSTS, may
// have changed since, and plain http must not outlive that.
func (e *Engine) api(c candidate, class ratelimit.Class) (*halo.API, error) {
	_, err := halo.ParseResourceServer(c.Domain, e.allow)
	if err == nil {
		_, err = halo.ParseAuthServer(c.AuthServer, e.allow)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", halo.ErrRefused, err)
	}
	instance := Instance(c.Domain, c.HaloTenant)
	gate := func(ctx context.Context) error {
		if e.budget == nil {
			return nil
		}
		if c.Unproved != "" {
			if err := e.budget(ctx, "tests of "+c.Unproved, probeRate, class); err != nil {
				return fmt.Errorf("many tests of credentials in a short time: %w", err)
			}
		}
		return e.budget(ctx, instance, c.RateLimit, class)
	}
	// What an authorisation server elsewhere says is not the Halo's word: it may
	// be anybody's, who could stop all connections to that Halo by it.
	elsewhere := Instance(c.AuthServer, "") != Instance(c.Domain, "")
	observe := func(a halo.Attempt) {
		foreign := elsewhere && ofToken(a.Err)
		if errors.Is(a.Err, halo.ErrThrottled) && e.throttled != nil && !foreign {
			after, _ := halo.RetryAfter(a.Err)
			e.throttled(instance, c.RateLimit, a.Sent, after)
		}
		if e.observe != nil {
			e.observe(a)
		}
	}
	return halo.New(halo.Config{
		ResourceServer: c.Domain, AuthServer: c.AuthServer, Tenant: c.HaloTenant,
		ClientID: c.ClientID, ClientSecret: c.Secret.Reveal(),
		Transport: e.transport, Gate: gate, Observe: observe, Trace: e.trace, UserAgent: e.agent, RetryBudget: e.retries,
	})
}

// classOf says for whom a run makes its requests: what waits in the queue for
// people is a person's.
func classOf(queue string) ratelimit.Class {
	if queue == tasks.QueueInteractive {
		return ratelimit.Person
	}
	return ratelimit.Background
}

// Instance names what Halo counts requests against, as far as is known: the
// host of the resource server and the tenant on it. Two connections to one
// instance share it, however their addresses are written.
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

// open returns a stored connection and a handle on its Halo, for requests of
// one class.
func (e *Engine) open(ctx context.Context, tenant string, id uuid.UUID, class ratelimit.Class) (repo.Connection, *halo.API, error) {
	conn, err := e.store.Connection(ctx, tenant, id)
	if err != nil {
		return conn, nil, err
	}
	plain, err := e.store.ConnectionSecret(ctx, tenant, id)
	if err != nil {
		return conn, nil, unopened(conn, err)
	}
	openedIn(ctx, plain)
	api, err := e.api(candidateOf(conn, plain), class)
	return conn, api, err
}

// unopened says what to do about credentials that could not be read.
func unopened(conn repo.Connection, err error) error {
	hint := ""
	switch {
	case errors.Is(err, secret.ErrUnknownKey):
		hint = "; give this worker or command the new key set"
	case errors.Is(err, secret.ErrOpen):
		hint = fmt.Sprintf("; give them anew: enqueue connection update %q --client-secret-file FILE", conn.Name)
	}
	return fmt.Errorf("credentials of connection %q: %w%s", conn.Name, err, hint)
}

func candidateOf(c repo.Connection, plain secret.String) candidate {
	return candidate{
		Domain: c.Domain, AuthServer: c.AuthServer, HaloTenant: c.HaloTenant,
		ClientID: c.ClientID, Secret: plain, RateLimit: c.RateLimit,
	}
}

// A UsageError says that what was asked for makes no sense as it stands. The
// CLI answers it with exit code 2.
type UsageError struct {
	Reason string
	// Conflict says that it is the state of something that is in the way, and
	// not the request: once that has changed, the same request may make sense.
	Conflict bool
}

func (e *UsageError) Error() string { return e.Reason }

// usagef makes a [*UsageError].
func usagef(format string, args ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, args...)}
}

// conflictf makes a [*UsageError] about the state of something.
func conflictf(format string, args ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, args...), Conflict: true}
}

// NotFoundError says which thing of the tenant does not exist.
type NotFoundError struct {
	What, Name string
	Hint       string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s %q does not exist; %s", e.What, e.Name, e.Hint)
}

// FindConnection looks a connection of the tenant up by name or id.
func (e *Engine) FindConnection(ctx context.Context, tenant, ref string) (repo.Connection, error) {
	conn, err := e.store.FindConnection(ctx, tenant, ref)
	if errors.Is(err, repo.ErrNotFound) {
		return conn, &NotFoundError{"connection", ref, `"enqueue connection list" shows those of this tenant`}
	}
	return conn, err
}
