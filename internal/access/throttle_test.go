package access

import (
	"net/netip"
	"testing"
	"time"
)

// network4 returns one of 16 million IPv4 networks.
func network4(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// The number of remembered clients and credentials is bounded. Only clients with
// a full allowance are forgotten.
func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	th, now := newThrottle(), time.Unix(1_000_000, 0)
	for i := range maxClients + 50 {
		now = now.Add(totalEvery)
		if _, wait := th.charge(network4(i), now); wait > 0 {
			t.Fatalf("client %d waits %v", i, wait)
		}
	}
	if len(th.clients) > maxClients {
		t.Errorf("%d clients are remembered", len(th.clients))
	}
	for i := range totalBurst { // the total is used up, so that no more clients are remembered
		th.charge(network4(1<<20+i), now)
	}
	before := len(th.clients)
	for i := range 1000 {
		th.charge(network4(1<<21+i), now)
	}
	if len(th.clients) != before {
		t.Errorf("%d clients are remembered after refused attempts, want %d", len(th.clients), before)
	}
	now = now.Add(clientBurst*clientEvery + totalBurst*totalEvery)
	for i := range maxClients {
		th.clients[network4(1<<22+i)] = newClient()
	}
	if _, wait := th.charge(network4(1<<23), now); wait > 0 || len(th.clients) != 1 {
		t.Errorf("wait %v, %d clients are remembered, want only the new one", wait, len(th.clients))
	}
	for i := range maxAccepted + 1 {
		th.accept([32]byte{byte(i >> 16), byte(i >> 8), byte(i)})
		th.reject([32]byte{1, byte(i >> 16), byte(i >> 8), byte(i)}, now)
	}
	if len(th.good) > maxAccepted || len(th.bad) > maxRejected {
		t.Errorf("%d and %d credentials are remembered", len(th.good), len(th.bad))
	}
}

// A client's allowance recovers over time and does not affect other clients.
// All clients share a total allowance. An attempt that succeeds costs nothing.
func TestThrottleTurns(t *testing.T) {
	t.Parallel()
	th, now := newThrottle(), time.Unix(1_000_000, 0)
	one, two := network4(1), network4(2)
	for range 3 * clientBurst {
		undo, wait := th.charge(one, now)
		if wait > 0 {
			t.Fatalf("wait %v although no attempt has failed", wait)
		}
		undo()
	}
	for range clientBurst {
		th.charge(one, now)
	}
	if _, wait := th.charge(one, now); wait != clientEvery {
		t.Errorf("wait %v", wait)
	}
	if _, wait := th.charge(two, now); wait != 0 {
		t.Errorf("another client waits %v", wait)
	}
	if _, wait := th.charge(one, now.Add(clientEvery)); wait != 0 {
		t.Errorf("wait %v after the allowance has recovered", wait)
	}
	for i := range totalBurst {
		th.charge(network4(1000+i), now.Add(clientEvery))
	}
	if _, wait := th.charge(two, now.Add(clientEvery)); wait == 0 {
		t.Error("the total allowance is not enforced")
	}
}

// A credential that was valid is no longer remembered after it was rejected.
func TestThrottleForgets(t *testing.T) {
	t.Parallel()
	th, now, key := newThrottle(), time.Unix(1_000_000, 0), [32]byte{1}
	th.accept(key)
	if !th.accepted(key) || th.rejected(key, now) {
		t.Error("a valid credential is not remembered")
	}
	th.reject(key, now)
	if th.accepted(key) || !th.rejected(key, now) || th.rejected(key, now.Add(rejectedFor)) {
		t.Error("a rejected credential is not remembered, or for too long")
	}
}
