package limits

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxMeters is the maximum number of meters of one generation.
const maxMeters = 10_000

// meters count the requests of callers. A caller may send a sixth of a minute's quota at
// once, and gets it back evenly within 10 s.
//
// Two generations of meters change places every minute. A meter that was not used for a
// minute has its whole quota again, as a new one has, so forgetting it changes nothing.
type meters struct {
	perMinute, burst int

	mu          sync.Mutex
	since       time.Time // start of the current generation
	young, aged map[string]*rate.Limiter
}

func newMeters(perMinute int) *meters {
	return &meters{perMinute: perMinute, burst: max(1, perMinute/6), young: map[string]*rate.Limiter{}}
}

// reading is the state of a meter after a request.
type reading struct {
	left  int           // requests that may be sent now
	reset int           // seconds until left is at its maximum again
	wait  time.Duration // 0: the request may proceed
}

// take counts a request. A request that must wait does not count.
func (m *meters) take(caller string, now time.Time) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.find(caller, now)
	var r reading
	if !l.AllowN(now, 1) {
		r.wait = time.Duration((1 - l.TokensAt(now)) / float64(l.Limit()) * float64(time.Second))
		r.wait = max(r.wait, time.Millisecond)
	}
	tokens := l.TokensAt(now)
	r.left = max(0, int(tokens))
	r.reset = int((float64(m.burst)-tokens)/float64(l.Limit())) + 1
	return r
}

// find returns the meter of a caller. If very many callers are active, meters are
// forgotten early: nobody is refused because of the number of others.
func (m *meters) find(caller string, now time.Time) *rate.Limiter {
	if now.Sub(m.since) >= time.Minute || len(m.young) >= maxMeters {
		m.aged, m.young, m.since = m.young, map[string]*rate.Limiter{}, now
	}
	l := m.young[caller]
	if l == nil {
		if l = m.aged[caller]; l == nil {
			l = rate.NewLimiter(rate.Limit(float64(m.perMinute)/60), m.burst)
		}
		delete(m.aged, caller)
		m.young[caller] = l
	}
	return l
}

// size returns the number of meters in memory.
func (m *meters) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.young) + len(m.aged)
}
