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
	// maxRefusals bounds the number of clients that get an event of their own in one
	// window. The refusals of all other clients share one event per kind and outcome, so
	// that an attacker with many addresses cannot fill the table.
	maxRefusals = 10
	// flushTimeout limits how long writing the events may take.
	flushTimeout = 10 * time.Second
)

// refusal holds the properties that all refusals of one event share.
type refusal struct {
	kind    repo.SecurityKind
	outcome repo.SecurityOutcome
	address string // empty: all clients beyond maxRefusals
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
	clients int // refusals in counts that have an address
	timer   *time.Timer
}

// refused records that a credential was refused, or that it was not verified because of
// too many failed attempts.
func (g *Guard) refused(r *http.Request, kind repo.SecurityKind, outcome repo.SecurityOutcome) {
	from := g.origin(r)
	is := refusal{kind, outcome, from.Address}
	g.refusals.mu.Lock()
	defer g.refusals.mu.Unlock()
	if g.refusals.counts == nil {
		g.refusals.counts = make(map[refusal]counted)
	}
	c, known := g.refusals.counts[is]
	switch {
	case known:
	case g.refusals.clients < maxRefusals && is.address != "":
		g.refusals.clients++
		c.userAgent = from.UserAgent
	default:
		is.address = ""
		c = g.refusals.counts[is]
	}
	c.n++
	g.refusals.counts[is] = c
	if g.refusals.timer == nil {
		g.refusals.timer = time.AfterFunc(refusalWindow, func() { g.Flush(context.Background()) })
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
		e := repo.SecurityEvent{Kind: is.kind, Outcome: is.outcome, Address: is.address, UserAgent: c.userAgent, Count: c.n}
		if is.address == "" {
			e.Detail = "several clients"
		}
		events = append(events, e)
	}
	f.counts, f.clients, f.timer = nil, 0, nil
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
