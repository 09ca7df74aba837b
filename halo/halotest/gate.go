package halotest

import "sync"

// Gate holds requests until it is opened. A test uses a gate to keep a run in
// progress, regardless of the machine's speed and the length of the list.
type Gate struct {
	script *script
	opened chan struct{}
	pass   chan struct{}

	mu   sync.Mutex // guards the fields below
	open bool
	held int
}

// Gate makes the requests that match rule wait until the gate is opened, their client gives
// up or the instance is closed. Here, a Rule.Times of 0 means [Forever]. The [Log] counts a
// held request as arrived, without a status. A request that passes the gate is answered as
// usual.
//
// halosync writes pages in order, so while page n is held, it has written at
// most n-1 pages.
func (h *Halo) Gate(rule Rule) *Gate {
	if rule.Times == 0 {
		rule.Times = Forever
	}
	g := &Gate{script: &h.script, opened: make(chan struct{}), pass: make(chan struct{})}
	h.Fault(rule, Fault{kind: KindHold, gate: g})
	return g
}

// Open lets all waiting and future requests pass. It removes the rule, so that
// a later rule can match the same requests.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open {
		g.open = true
		close(g.opened)
		g.script.forget(g)
	}
}

// PassOne waits until a request is at the gate and lets it pass. It returns false if the
// gate was opened instead.
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

// hold waits at the gate. It returns false if the client gave up or the
// instance was closed.
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
