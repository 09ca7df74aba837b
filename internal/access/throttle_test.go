package access

import (
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// The number of remembered clients is bounded. Only clients with a full
// allowance are forgotten.
func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	th, now := newThrottle(), time.Unix(1_000_000, 0)
	client := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	for i := range maxClients + 50 {
		th.failed(client(i), [32]byte{}, now)
	}
	if len(th.clients) != maxClients {
		t.Errorf("%d clients are remembered", len(th.clients))
	}
	now = now.Add(totalBurst * totalEvery)
	if wait := th.wait(client(0), [32]byte{}, now); wait != 0 {
		t.Errorf("a client with one failed attempt waits %v", wait)
	}
	if wait := th.wait(client(maxClients+99), [32]byte{}, now); wait != 0 {
		t.Errorf("a new client waits %v", wait) // the shared allowance has recovered
	}
	th.failed(client(maxClients+99), [32]byte{}, now)
	if len(th.clients) != 1 {
		t.Errorf("%d clients are remembered, want only the new one", len(th.clients))
	}
	for i := range maxGood + 1 {
		th.succeeded([32]byte{byte(i >> 16), byte(i >> 8), byte(i)})
	}
	if len(th.good) > maxGood {
		t.Errorf("%d keys are remembered", len(th.good))
	}
}

// A client's allowance recovers over time and does not affect other clients.
// All clients share a total allowance, which does not apply to a valid key.
func TestThrottleTurns(t *testing.T) {
	t.Parallel()
	th, now := newThrottle(), time.Unix(1_000_000, 0)
	one, two := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	key, wrong := [32]byte{1}, [32]byte{2}
	th.succeeded(key)
	for range clientBurst {
		th.failed(one, wrong, now)
	}
	if wait := th.wait(one, wrong, now); wait != clientEvery {
		t.Errorf("wait %v", wait)
	}
	if th.wait(two, wrong, now) != 0 || th.wait(one, key, now) != 0 {
		t.Error("another client or a valid key waits")
	}
	if wait := th.wait(one, wrong, now.Add(clientEvery)); wait != 0 {
		t.Errorf("wait %v after the allowance has recovered", wait)
	}
	for i := range totalBurst {
		th.failed(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), wrong, now)
	}
	if th.wait(two, wrong, now) == 0 || th.wait(two, key, now) != 0 {
		t.Error("the total allowance is not enforced, or blocks a valid key")
	}
	th.failed(two, key, now) // the key was revoked
	if th.wait(two, key, now) == 0 {
		t.Error("a revoked key does not wait")
	}
}

func TestWhereARequestComesFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		peer, host, forwarded string
		local                 bool
		client                string
	}{
		{"127.0.0.1:1", "127.0.0.1:8080", "", true, "127.0.0.1/32"},
		{"127.0.0.1:1", "LocalHost:8080", "", true, "127.0.0.1/32"},
		{"[::1]:1", "[::1]:8080", "", true, "::/64"},
		{"[::ffff:127.0.0.1]:1", "localhost", "", true, "127.0.0.1/32"},
		{"127.0.0.1:1", "evil.example", "", false, "127.0.0.1/32"},
		{"127.0.0.1:1", "localhost.evil.example", "", false, "127.0.0.1/32"},
		{"127.0.0.1:1", "", "", false, "127.0.0.1/32"},
		{"203.0.113.9:1", "localhost", "", false, "203.0.113.9/32"},
		{"127.0.0.1:1", "localhost", "203.0.113.9", false, "203.0.113.9/32"},
		{"10.0.0.1:1", "x", "127.0.0.1, 203.0.113.9", false, "203.0.113.9/32"},
		{"10.0.0.1:1", "x", "203.0.113.9, nonsense", false, "10.0.0.1/32"},
		{"203.0.113.9:1", "x", "198.51.100.1", false, "203.0.113.9/32"},
		{"[2001:db8:1:2:3:4:5:6]:1", "x", "", false, "2001:db8:1:2::/64"},
		{"@", "localhost", "", false, "invalid Prefix"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Host = c.peer, c.host
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if local(r) != c.local || clientOf(r).String() != c.client {
			t.Errorf("%+v: local %v, client %v", c, local(r), clientOf(r))
		}
	}
}
