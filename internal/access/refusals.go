package access

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

const (
	// refusalWindow is the period whose equal refusals are written as one security event.
	refusalWindow = time.Minute
	// maxRefusals bounds the number of strangers that get an event of their own in one
	// window. The refusals of all other strangers share one event per kind and outcome, so
	// that an attacker with many addresses cannot fill the table.
	maxRefusals = 10
	// maxTenantRefusals is the same bound for each tenant, whose credentials are valid.
	// No tenant takes the events of another, or those of strangers.
	maxTenantRefusals = 3
	// flushTimeout limits how long writing the events may take.
	flushTimeout = 10 * time.Second
)

// refusal holds the properties that all refusals of one event share.
type refusal struct {
	kind    repo.SecurityKind
	outcome repo.SecurityOutcome
	tenant  string // empty: unknown, because the credential was refused
	address string // empty: all clients beyond maxRefusals
	actor   string
	detail  string
}

// counted is the number of equal refusals and the first client's browser.
type counted struct {
	userAgent string
	n         int
}

// refusals counts refused credentials until they are written as security events.
type refusals struct {
	mu      sync.Mutex
	counts  map[refusal]counted
	clients map[string]int // by tenant: refusals in counts that have an address
	timer   *time.Timer
}

// refused records that a credential was refused, or that it was not verified because of
// too many failed attempts.
func (g *Guard) refused(r *http.Request, kind repo.SecurityKind, outcome repo.SecurityOutcome) {
	from := g.origin(r)
	g.refusals.add(refusal{kind: kind, outcome: outcome, address: from.Address}, maxRefusals, from.UserAgent, g.Flush)
}

// exceeded records that a valid credential was used for a request that needs a wider scope.
func (g *Guard) exceeded(from repo.Origin, p Principal, need Scope) {
	is := refusal{
		kind: repo.SecurityScopeExceeded, outcome: repo.SecurityRefused, tenant: p.Tenant, address: from.Address, actor: p.Actor,
		detail: "needs the scope " + string(need) + ", has " + string(p.Scope),
	}
	g.refusals.add(is, maxTenantRefusals, from.UserAgent, g.Flush)
}

// add counts a refusal. At most limit refusals of a tenant have events of their own. The
// function flush is called at the end of the window.
func (f *refusals) add(is refusal, limit int, userAgent string, flush func(context.Context)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts, f.clients = make(map[refusal]counted), make(map[string]int)
	}
	c, known := f.counts[is]
	switch {
	case known:
	case f.clients[is.tenant] < limit && is.address != "":
		f.clients[is.tenant]++
		c.userAgent = userAgent
	default:
		is.address, is.actor, is.detail = "", "", "several clients"
		c = f.counts[is]
	}
	c.n++
	f.counts[is] = c
	if f.timer == nil {
		f.timer = time.AfterFunc(refusalWindow, func() { flush(context.Background()) })
	}
}

// take returns the refusals as events and starts a new window.
func (f *refusals) take() (events []repo.SecurityEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
	}
	for is, c := range f.counts {
		events = append(events, repo.SecurityEvent{
			Kind: is.kind, Outcome: is.outcome, Tenant: is.tenant, Actor: is.actor, Address: is.address, UserAgent: c.userAgent,
			Detail: is.detail, Count: c.n,
		})
	}
	f.counts, f.clients, f.timer = nil, nil, nil
	return events
}

// Flush writes the refusals of the last minute as security events. Call it when the
// listener has closed.
func (g *Guard) Flush(ctx context.Context) {
	events := g.refusals.take()
	if len(events) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := g.store.AddSecurityEvents(ctx, events...); err != nil {
		lost := 0
		for _, e := range events {
			lost += e.Count
		}
		g.log.Warn("security events lost", zap.Int("refusals", lost), zap.Error(err))
	}
}
