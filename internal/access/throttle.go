package access

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits on failed attempts, per client and in total. They limit the load on
// the database and the size of the log. They are not needed to prevent
// guessing, because a secret has 200 random bits.
const (
	clientBurst = 10
	clientEvery = 6 * time.Second
	totalBurst  = 300
	totalEvery  = 200 * time.Millisecond
	maxClients  = 10_000 // remembered clients; all other clients share one allowance
	maxAccepted = 10_000 // remembered credentials without a stamp
	maxRejected = 10_000 // remembered credentials with a stamp or a signature
	// rejectedFor is how long an issued credential is rejected without a query
	// after it was found invalid. An invalid credential never becomes valid
	// again.
	rejectedFor = time.Minute
)

// throttle limits failed attempts. The limits do not apply to credentials that
// this installation issued; see [Guard.verify].
type throttle struct {
	mu      sync.Mutex
	total   *rate.Limiter
	others  *rate.Limiter
	clients map[netip.Prefix]*rate.Limiter
	good    map[[32]byte]struct{}  // hashes of credentials without a stamp that were valid
	bad     map[[32]byte]time.Time // until when a credential with a stamp is rejected
}

func newThrottle() *throttle {
	return &throttle{
		total: rate.NewLimiter(rate.Every(totalEvery), totalBurst), others: newClient(),
		clients: make(map[netip.Prefix]*rate.Limiter), good: make(map[[32]byte]struct{}), bad: make(map[[32]byte]time.Time),
	}
}

func newClient() *rate.Limiter { return rate.NewLimiter(rate.Every(clientEvery), clientBurst) }

// charge deducts an attempt from the allowance of a client and from the total
// allowance. Call undo if the attempt did not fail. If an allowance is used up,
// charge takes nothing and returns how long the client must wait.
func (t *throttle) charge(client netip.Prefix, now time.Time) (undo func(), wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own, known := t.clients[client]
	if wait = missing(t.total, now); known {
		wait = max(wait, missing(own, now))
	}
	if wait == 0 && !known {
		own = t.remember(client, now)
		wait = missing(own, now)
	}
	if wait > 0 {
		return nil, wait
	}
	all, one := t.total.ReserveN(now, 1), own.ReserveN(now, 1)
	return func() {
		all.CancelAt(now)
		one.CancelAt(now)
	}, 0
}

// missing returns the time until a limiter has a token available.
func missing(l *rate.Limiter, now time.Time) time.Duration {
	lack := 1 - l.TokensAt(now)
	if lack <= 0 {
		return 0
	}
	return time.Duration(lack / float64(l.Limit()) * float64(time.Second))
}

// remember adds a client. If the map is full, it first removes the clients
// whose allowance has fully recovered, because a new client would get the same
// allowance.
func (t *throttle) remember(client netip.Prefix, now time.Time) *rate.Limiter {
	if len(t.clients) >= maxClients {
		for c, l := range t.clients {
			if l.TokensAt(now) >= clientBurst {
				delete(t.clients, c)
			}
		}
	}
	if len(t.clients) >= maxClients {
		return t.others
	}
	l := newClient()
	t.clients[client] = l
	return l
}

// accept remembers a valid credential without a stamp.
func (t *throttle) accept(credential [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.good) >= maxAccepted {
		clear(t.good)
	}
	t.good[credential] = struct{}{}
}

func (t *throttle) accepted(credential [32]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.good[credential]
	return ok
}

// reject remembers an invalid credential, so that it is not looked up on every
// request.
func (t *throttle) reject(credential [32]byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.good, credential)
	if len(t.bad) >= maxRejected {
		clear(t.bad)
	}
	t.bad[credential] = now.Add(rejectedFor)
}

func (t *throttle) rejected(credential [32]byte, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.bad[credential]
	return ok && now.Before(until)
}
