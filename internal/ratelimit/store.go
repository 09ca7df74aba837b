package ratelimit

import (
	"context"
	"sync"
	"time"
)

// store keeps the states of instances. The whole fleet shares a redisStore. A memory store
// serves only one process.
type store interface {
	ask(ctx context.Context, instance string, c call) (answer, error)
	// throttled records a 429 for a request of the given age, and reports whether it
	// lowered the limit. Times are in microseconds.
	throttled(ctx context.Context, instance string, age, window, pause int64) (bool, error)
}

// memory is an in-process store.
type memory struct {
	now     func() int64
	mu      sync.Mutex
	states  map[string]*state
	sweepAt int // number of states at which states without effect are removed
}

func newMemory() *memory {
	return &memory{now: stopwatch(), states: map[string]*state{}, sweepAt: minSweep}
}

// minSweep is the number of instances up to which no instance is forgotten. Users enter
// the addresses of instances, so without forgetting, the number of instances in memory
// would have no bound.
const minSweep = 1000

// stopwatch returns a monotonic clock in microseconds.
func stopwatch() func() int64 {
	began := time.Now().Add(-time.Hour) // start an hour ago, because time 0 means never
	return func() int64 { return time.Since(began).Microseconds() }
}

// state returns the state of an instance. The caller must hold m.mu.
func (m *memory) state(instance string) *state {
	s := m.states[instance]
	if s == nil {
		if len(m.states) >= m.sweepAt {
			m.sweep()
		}
		s = &state{}
		m.states[instance] = s
	}
	return s
}

// sweep removes the states that have no effect, because a new state would permit the same
// requests. The caller must hold m.mu.
func (m *memory) sweep() {
	now := m.now()
	for instance, s := range m.states {
		if s.spent(now) {
			delete(m.states, instance)
		}
	}
	m.sweepAt = max(minSweep, 2*len(m.states))
}

// forget removes the states that have no effect. It returns a function that reports
// whether an instance still has a state.
func (m *memory) forget() (has func(instance string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	return func(instance string) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.states[instance] != nil
	}
}

func (m *memory) ask(_ context.Context, instance string, c call) (answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state(instance).ask(m.now(), c), nil
}

func (m *memory) throttled(_ context.Context, instance string, age, window, pause int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state(instance).throttled(m.now(), age, window, pause), nil
}

// note records a request that another store granted for the time now + wait.
func (m *memory) note(instance string, p pool, wait, window int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, now := m.state(instance), m.now()
	s.forget(now, window)
	s.merge(now, []grant{{p, -wait}})
}

// used returns the grants in the last window.
func (m *memory) used(instance string, window int64) []grant {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []grant
	now := m.now()
	for p, log := range m.state(instance).grants {
		for _, at := range log {
			if at > now-window {
				all = append(all, grant{pool(p), now - at})
			}
		}
	}
	return all
}

// idle reports whether the last window contains no grants.
func (m *memory) idle(instance string, window int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state(instance)
	newest := max(last(s.grants[common]), last(s.grants[reserve]))
	return newest == 0 || newest <= m.now()-window
}
