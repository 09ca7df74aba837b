package halotest

import "sync"

// Gate holds requests until it is opened. A test that needs something still in
// progress holds it with a gate, so that it depends neither on the speed of the
// machine nor on the size of the list.
type Gate struct {
	script *script
	opened chan struct{}
	pass   chan struct{}

	mu   sync.Mutex // guards the fields below
	open bool
	held int
}

// Gate makes the requests of rule wait until the gate is opened, their client
// gives up or the instance is closed. Rule.Times 0 means [Forever] here. The
// [Log] counts a held request as arrived, without a status; a request that
// passes is answered as if there were no gate.
//
// halosync writes pages in order: while page n is held, at most n-1 pages are
// written.
func (h *Halo) Gate(rule Rule) *Gate {
	if rule.Times == 0 {
		rule.Times = Forever
	}
	g := &Gate{script: &h.script, opened: make(chan struct{}), pass: make(chan struct{})}
	h.Fault(rule, Fault{kind: KindHold, gate: g})
	return g
}

// Open lets all waiting and future requests pass and removes the rule, so that a
// later rule can match the same requests.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open {
		g.open = true
		close(g.opened)
		g.script.forget(g)
	}
}

// PassOne waits for a request at the gate and lets it pass. It returns true when
// the request has passed, or false if the gate was opened instead.
func (g *Gate) PassOne() bool {
	select {
	case g.pass <- struct{}{}:
		return true
	case <-g.opened:
		return false
	}
}

// Held returns the number of waiting requests.
func (g *Gate) Held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// hold waits at the gate. It reports false if the client gave up or the instance
// was closed.
func (g *Gate) hold(gone, closing <-chan struct{}) bool {
	g.count(1)
	defer g.count(-1)
	select {
	case <-g.opened:
		return true
	case <-g.pass:
		return true
	case <-gone:
		return false
	case <-closing:
		return false
	}
}

func (g *Gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held += n
}
