package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// Limits on failed attempts, per client and in total. They limit the load on
// the database and the size of the log. They do not have to prevent guessing,
// because a secret has 260 random bits.
const (
	clientBurst = 10
	clientEvery = 6 * time.Second
	totalBurst  = 300
	totalEvery  = 200 * time.Millisecond
	maxClients  = 10_000 // remembered clients; all other clients share one allowance
	maxGood     = 10_000
)

// throttle limits failed attempts. It always verifies a key that was valid
// recently. Otherwise a client could lock out a program behind the same proxy.
type throttle struct {
	mu      sync.Mutex
	total   *rate.Limiter
	others  *rate.Limiter
	clients map[netip.Prefix]*rate.Limiter
	good    map[[32]byte]struct{} // hashes of keys that were valid
}

// waitError means that a credential was not verified because of too many failed
// attempts.
type waitError struct{ after time.Duration }

func (e *waitError) Error() string { return "too many failed attempts" }

// seconds returns the wait in whole seconds, for the Retry-After header.
func (e *waitError) seconds() int { return int(e.after/time.Second) + 1 }

// attempt calls verify for a credential and counts a rejection as a failed
// attempt. After too many failed attempts, it returns a [*waitError] without
// calling verify.
func (g *Guard) attempt(r *http.Request, credential string, verify func(context.Context) error) error {
	client, hash := clientOf(r), sha256.Sum256([]byte(credential))
	return g.lookUp(r.Context(), func(ctx context.Context) error {
		if wait := g.throttle.wait(client, hash, g.now()); wait > 0 {
			return &waitError{wait}
		}
		err := verify(ctx)
		if errors.Is(err, errRefused) {
			g.throttle.failed(client, hash, g.now())
			g.log.Info("authentication failed", zap.Stringer("client", client.Addr()), zap.String("path", r.URL.Path))
		}
		return err
	})
}

func newThrottle() *throttle {
	return &throttle{
		total: rate.NewLimiter(rate.Every(totalEvery), totalBurst), others: newClient(),
		clients: make(map[netip.Prefix]*rate.Limiter), good: make(map[[32]byte]struct{}),
	}
}

func newClient() *rate.Limiter { return rate.NewLimiter(rate.Every(clientEvery), clientBurst) }

// wait returns how long a client must wait before its next attempt. key is the
// hash of its credential.
func (t *throttle) wait(client netip.Prefix, key [32]byte, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.good[key]; ok {
		return 0
	}
	wait := missing(t.total, now)
	if l, ok := t.clients[client]; ok {
		return max(wait, missing(l, now))
	}
	if len(t.clients) >= maxClients {
		return max(wait, missing(t.others, now))
	}
	return wait
}

// missing returns the time until a limiter has a token available.
func missing(l *rate.Limiter, now time.Time) time.Duration {
	lack := 1 - l.TokensAt(now)
	if lack <= 0 {
		return 0
	}
	return time.Duration(lack / float64(l.Limit()) * float64(time.Second))
}

// succeeded remembers a valid key.
func (t *throttle) succeeded(key [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.good) >= maxGood {
		clear(t.good)
	}
	t.good[key] = struct{}{}
}

// failed counts a failed attempt.
func (t *throttle) failed(client netip.Prefix, key [32]byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.good, key)
	t.total.AllowN(now, 1)
	l, ok := t.clients[client]
	if !ok {
		l = t.remember(client, now)
	}
	l.AllowN(now, 1)
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

// clientOf returns the client that a failed attempt counts against: an IPv4
// address or a 64-bit IPv6 network. For a request from a private address, which
// is usually a proxy, the client is the last address in X-Forwarded-For. A host
// in the private network can forge this header, so the result only decides how
// long a client waits.
func clientOf(r *http.Request) netip.Prefix {
	addr := peer(r)
	if addr.IsLoopback() || addr.IsPrivate() {
		all := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
		last := strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
		if forwarded, err := netip.ParseAddr(last); err == nil {
			addr = forwarded.Unmap().WithZone("")
		}
	}
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	client, _ := addr.Prefix(bits) // the zero Prefix if there is no address
	return client
}

// peer returns the address at the other end of the connection, or the zero Addr
// if it is unknown.
func peer(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap().WithZone("")
}

// forwarding lists the headers that proxies add.
var forwarding = []string{"X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"}

// local reports whether a request comes from this machine without a proxy, and
// names localhost or a loopback address as its host. The check of the host
// prevents DNS rebinding, in which the name of another site resolves to this
// machine.
func local(r *http.Request) bool {
	for _, name := range forwarding {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return peer(r).IsLoopback() && (strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback())
}
