package access

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong attempts are looked at: of one client, and of all together.
// Secrets of 260 bits are not found by trying; what this keeps is the database's
// time and the log.
const (
	clientBurst = 10
	clientEvery = 6 * time.Second
	totalBurst  = 300
	totalEvery  = 200 * time.Millisecond
	mostClients = 10_000 // remembered; further ones share one allowance
	mostGood    = 10_000
)

// throttle counts wrong attempts. A key that was right lately is looked at in
// any case, so that nobody behind the same proxy locks a program out.
type throttle struct {
	mu      sync.Mutex
	total   *rate.Limiter
	others  *rate.Limiter
	clients map[netip.Prefix]*rate.Limiter
	good    map[[32]byte]struct{} // hashes of keys that were right
}

func newThrottle() *throttle {
	return &throttle{
		total: rate.NewLimiter(rate.Every(totalEvery), totalBurst), others: newClient(),
		clients: make(map[netip.Prefix]*rate.Limiter), good: make(map[[32]byte]struct{}),
	}
}

func newClient() *rate.Limiter { return rate.NewLimiter(rate.Every(clientEvery), clientBurst) }

// wait says how long a client has to wait before its next attempt is looked at.
// key is the hash of what it shows.
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
	if len(t.clients) >= mostClients {
		return max(wait, missing(t.others, now))
	}
	return wait
}

// missing is the time until a limiter has a turn to give.
func missing(l *rate.Limiter, now time.Time) time.Duration {
	lack := 1 - l.TokensAt(now)
	if lack <= 0 {
		return 0
	}
	return time.Duration(lack / float64(l.Limit()) * float64(time.Second))
}

// right notes a key that let somebody in.
func (t *throttle) right(key [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.good) >= mostGood {
		clear(t.good)
	}
	t.good[key] = struct{}{}
}

// wrong counts an attempt.
func (t *throttle) wrong(client netip.Prefix, key [32]byte, now time.Time) {
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

// remember makes room for a client by forgetting those whose allowance is full
// again, which is what a new one has.
func (t *throttle) remember(client netip.Prefix, now time.Time) *rate.Limiter {
	if len(t.clients) >= mostClients {
		for c, l := range t.clients {
			if l.TokensAt(now) >= clientBurst {
				delete(t.clients, c)
			}
		}
	}
	if len(t.clients) >= mostClients {
		return t.others
	}
	l := newClient()
	t.clients[client] = l
	return l
}

// clientOf is the address that a request counts for: an IPv4 address or an IPv6
// network of 64 bits. Behind a proxy on a private address it is the last one in
// X-Forwarded-For, which that proxy wrote. It decides about waiting alone, never
// about trust: somebody in a private network can make it up.
func clientOf(r *http.Request) netip.Prefix {
	addr := peer(r)
	if addr.IsLoopback() || addr.IsPrivate() {
		all := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
		last := strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
		if told, err := netip.ParseAddr(last); err == nil {
			addr = told.Unmap().WithZone("")
		}
	}
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	client, _ := addr.Prefix(bits) // the zero one for no address
	return client
}

// peer is the address at the other end of the connection; the zero one if it
// cannot be told.
func peer(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap().WithZone("")
}

// forwarding are headers by which a proxy shows itself.
var forwarding = []string{"X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"}

// local says whether a request comes from this very machine, past no proxy, and
// is meant for it: a page elsewhere whose name leads to this machine (DNS
// rebinding) is asked for by that name.
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
