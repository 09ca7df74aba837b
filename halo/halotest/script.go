package halotest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
)

// Forever as [Rule.Times] means that there is no limit.
const Forever = -1

// Rule selects the requests that get faults. A zero field matches any value, so
// the zero Rule matches the next request.
type Rule struct {
	Tenant   *Tenant // only requests to this tenant
	Route    Route   // only requests on this route
	Page     int     // only paged lists with this page_no
	ClientID int64   // only details of this client

	// Nth is the first matching request that gets a fault, counted from 1; 0
	// means 1. Times is the number of matching requests that get a fault; 0 means one
	// request for each fault, and [Forever] means all.
	Nth, Times int

	// Chance, if above 0, is the probability that each of those requests gets a
	// fault; a Times of 0 then means Forever. Seed initialises the random
	// generator: the same sequence of requests always gets the same faults.
	// MaxRun, if above 0, bounds the number of consecutive faults on the same
	// page, client or route of a tenant.
	Chance float64
	Seed   uint64
	MaxRun int
}

// Fault adds faults for the requests that match rule. Several faults are used
// in turn or, with Chance, at random. If several rules match a request, the
// oldest rule applies; the other rules still count the request.
func (h *Halo) Fault(rule Rule, faults ...Fault) {
	if len(faults) == 0 {
		return
	}
	if rule.Nth == 0 {
		rule.Nth = 1
	}
	if rule.Times == 0 {
		rule.Times = len(faults)
		if rule.Chance > 0 {
			rule.Times = Forever
		}
	}
	a := &act{Rule: rule, faults: faults, runs: make(map[string]int)}
	a.dice = rand.New(rand.NewPCG(rule.Seed, 0x48616c6f))
	h.script.mu.Lock()
	defer h.script.mu.Unlock()
	h.script.acts = append(h.script.acts, a)
}

// ClearFaults removes all rules.
func (h *Halo) ClearFaults() {
	h.script.mu.Lock()
	defer h.script.mu.Unlock()
	h.script.acts = nil
}

// forget removes the rule of a gate.
func (s *script) forget(g *Gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts = slices.DeleteFunc(s.acts, func(a *act) bool { return a.faults[0].gate == g })
}

// script holds the rules of a [Halo], oldest first.
type script struct {
	mu   sync.Mutex
	acts []*act
}

// act is a rule and its state.
type act struct {
	Rule
	faults []Fault
	seen   int // matching requests so far
	dice   *rand.Rand
	runs   map[string]int // consecutive strikes, by target
}

// strike returns the fault for c, or nil.
func (s *script) strike(c *call) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var struck *Fault
	for _, a := range s.acts {
		if !a.matches(c) {
			continue
		}
		if f := a.next(c); f != nil && struck == nil {
			struck = f
		}
	}
	return struck
}

func (a *act) matches(c *call) bool {
	return (a.Tenant == nil || a.Tenant == c.tenant) &&
		(a.Route == "" || a.Route == c.route) &&
		(a.Page == 0 || c.route == RouteList && a.Page == c.query.page) &&
		(a.ClientID == 0 || c.route == RouteDetail && strconv.FormatInt(a.ClientID, 10) == c.id)
}

// next counts a matching request and returns its fault, or nil.
func (a *act) next(c *call) *Fault {
	a.seen++
	turn := a.seen - a.Nth
	if turn < 0 || a.Times >= 0 && turn >= a.Times {
		return nil
	}
	if a.Chance <= 0 {
		return &a.faults[turn%len(a.faults)]
	}

	// Draw both numbers for each request, so that one outcome does not affect
	// later requests.
	hit, pick := a.dice.Float64() < a.Chance, a.dice.IntN(len(a.faults))
	target := c.target()
	if !hit || a.MaxRun > 0 && a.runs[target] >= a.MaxRun {
		delete(a.runs, target)
		return nil
	}
	if a.MaxRun > 0 {
		a.runs[target]++
	}
	return &a.faults[pick]
}

// target returns a key for the page, client or route that c requests.
func (c *call) target() string {
	return c.tenantName() + " " + string(c.route) + " " + c.id + " " + strconv.Itoa(c.query.page)
}
