package limits

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/halosync/halosync/internal/bulkhead"
)

// meters count the requests of callers. A caller may send a sixth of a minute's quota at
// once; this burst refills evenly within 10 s.
//
// Meters that are not used for a minute are forgotten. Their quota is full again by
// then, so a new meter is equal to the forgotten one.
type meters struct {
	perMinute, burst int

	mu  sync.Mutex
	all bulkhead.Recent[*rate.Limiter]
}

func newMeters(perMinute int) *meters {
	return &meters{perMinute: perMinute, burst: max(1, perMinute/6)}
}

// reading is the state of a meter after a request.
type reading struct {
	left int           // requests that may be sent now
	next int           // seconds until left grows by one
	wait time.Duration // 0: the request may proceed
}

// take counts a request. A request that must wait does not count.
func (m *meters) take(caller string, now time.Time) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.all.Get(caller, now, func() *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(m.perMinute)/60), m.burst) })
	var r reading
	if !l.AllowN(now, 1) {
		r.wait = time.Duration((1 - l.TokensAt(now)) / float64(l.Limit()) * float64(time.Second))
		r.wait = max(r.wait, time.Millisecond)
	}
	tokens := l.TokensAt(now)
	r.left = max(0, int(tokens))
	r.next = int(math.Ceil((float64(r.left) + 1 - tokens) / float64(l.Limit())))
	return r
}
