package bulkhead

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// must acquires units without waiting.
func must(t *testing.T, b *Bulkhead, tenant string, n int64) func() {
	t.Helper()
	release, err := b.Acquire(t.Context(), 0, tenant, n)
	if err != nil {
		t.Fatalf("%s: %v", tenant, err)
	}
	return release
}

func TestParts(t *testing.T) {
	t.Parallel()
	b := New("things", 5, 2)
	one := must(t, b, "bravo", 1)
	must(t, b, "bravo", 1)
	if _, err := b.Acquire(t.Context(), 0, "bravo", 1); err == nil || err.Error() != "limit of this tenant reached: things" {
		t.Errorf("beyond the tenant's part: %v", err)
	}
	must(t, b, "acme", 9) // its whole part
	must(t, b, "globex", 1)
	full, ok := IsFull(fmt.Errorf("run: %w", second(b.Acquire(t.Context(), 0, "initech", 1))))
	if !ok || full.Tenant || full.Error() != "limit of this worker reached: things" {
		t.Errorf("beyond the total: %v", full)
	}
	one()
	one() // does nothing
	must(t, b, "initech", 1)
	if s := b.Stats(); s != (Stats{Name: "things", Used: 5, Size: 5, RefusedTenant: 1, RefusedProcess: 1}) {
		t.Errorf("%+v", s)
	}
	var none *Bulkhead
	must(t, none, "bravo", 1000)()
}

func second(_ func(), err error) error { return err }

// A tenant that waits for its own part does not delay other tenants, waits at most for
// the given duration, and is forgotten afterwards.
func TestWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New("things", 3, 2)
		release := must(t, b, "bravo", 2)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				began := time.Now()
				_, err := b.Acquire(t.Context(), 5*time.Second, "bravo", 1)
				if full, ok := IsFull(err); !ok || !full.Tenant || time.Since(began) != 5*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := b.Acquire(ctx, time.Hour, "bravo", 1); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller that gave up: %v", err)
			}
		})
		synctest.Wait()
		must(t, b, "acme", 1)()
		cancel()
		all.Wait()
		all.Go(func() {
			began := time.Now()
			release, err := b.Acquire(t.Context(), 5*time.Second, "bravo", 1)
			if err != nil || time.Since(began) != time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			release()
		})
		time.Sleep(time.Second) // virtual
		release()
		all.Wait()
		if s := b.Stats(); len(b.tenants) != 0 || s.Used != 0 || s.RefusedTenant != 10 {
			t.Errorf("%d tenants remembered, %+v", len(b.tenants), s)
		}
	})
}

// Callers that hold bytes of the second half of the memory wait for nothing, so callers
// that hold the whole first half eventually proceed.
func TestMemoryDoesNotBlockItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(DefaultMemory)
		var all sync.WaitGroup
		done := 0
		var mu sync.Mutex
		for i := range 50 {
			all.Go(func() {
				tenant := fmt.Sprint("tenant ", i)
				medium, err := m.Reserve(t.Context(), tenant, 3*Medium/2)
				if err != nil {
					return
				}
				defer medium()
				large, err := m.ReserveLarge(t.Context(), tenant, 32<<20)
				if err != nil {
					return
				}
				defer large()
				time.Sleep(time.Second) // virtual
				mu.Lock()
				defer mu.Unlock()
				done++
			})
		}
		all.Wait()
		if done < 20 {
			t.Errorf("%d of 50 large answers read", done)
		}
		for _, b := range m.Bulkheads() {
			if s := b.Stats(); s.Used != 0 {
				t.Errorf("not given back: %+v", s)
			}
		}
	})
}

func TestLeave(t *testing.T) {
	t.Parallel()
	left := 0
	Leave(WithPlace(t.Context(), func() { left++ }))
	Leave(t.Context()) // without a place
	if left != 1 {
		t.Errorf("left %d times", left)
	}
}

// The memory for keys is bounded, and keys that are not used are forgotten.
func TestRecent(t *testing.T) {
	t.Parallel()
	var r Recent[*int]
	now, made := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), 0
	get := func(key string) *int { return r.Get(key, now, func() *int { made++; return new(int) }) }
	first := get("a")
	now = now.Add(59 * time.Second)
	if get("a") != first || made != 1 {
		t.Error("a key in use is forgotten")
	}
	now = now.Add(2 * time.Second)
	get("b")
	now = now.Add(58 * time.Second)
	if get("a") != first {
		t.Error("a key is forgotten within a minute of its last use")
	}
	for range 3 {
		now = now.Add(time.Minute)
		get("b")
	}
	if r.Len() != 1 {
		t.Errorf("%d values, want that of the key in use", r.Len())
	}
	for i := range 3 * maxRecent {
		get(fmt.Sprint(i))
	}
	if r.Len() > 2*maxRecent {
		t.Errorf("%d values", r.Len())
	}
}

// A tenant that reads one large answer after another is slowed down. Another tenant is
// not.
func TestMemoryPerTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, began, read, refused := NewMemory(DefaultMemory), time.Now(), 0, 0
		for time.Since(began) < 2*time.Minute {
			release, err := m.Reserve(t.Context(), "bravo", 3*Medium/2)
			if err != nil {
				refused++
				time.Sleep(time.Second) // virtual
				continue
			}
			m.Charge("bravo", 31<<20)
			release()
			read += 31
		}
		if most := (bytesAtOnce + 120*bytesPerSecond) >> 20; read > most+2*31 || read < most/2 || refused == 0 {
			t.Errorf("%d MiB read in two minutes, want at most %d; %d refusals", read, most, refused)
		}
		began = time.Now()
		release, err := m.Reserve(t.Context(), "acme", 3*Medium/2)
		if err != nil || time.Since(began) > 0 {
			t.Fatalf("a neighbour: %v after %v", err, time.Since(began))
		}
		release()
	})
}
