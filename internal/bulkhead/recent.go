package bulkhead

import "time"

const (
	// maxRecent is the maximum number of values of one generation.
	maxRecent = 10_000
	// generation is the minimum time for which an unused value is kept.
	generation = time.Minute
)

// Recent keeps a value for each key that is in use, such as a counter that returns to its
// initial state within a minute. Every minute, the older of two generations of values is
// discarded, so an unused key is forgotten after one to two minutes. If more than
// maxRecent keys are in use, keys are forgotten earlier. The zero value is empty. A
// Recent is not safe for concurrent use.
type Recent[T any] struct {
	since       time.Time // start of the current generation
	young, aged map[string]T
}

// Get returns the value of a key, which it creates if necessary.
func (r *Recent[T]) Get(key string, now time.Time, create func() T) T {
	if r.young == nil || now.Sub(r.since) >= generation || len(r.young) >= maxRecent {
		r.aged, r.young, r.since = r.young, map[string]T{}, now
	}
	v, ok := r.young[key]
	if ok {
		return v
	}
	if v, ok = r.aged[key]; !ok {
		v = create()
	}
	delete(r.aged, key)
	r.young[key] = v
	return v
}

// Len returns the number of values in memory.
func (r *Recent[T]) Len() int { return len(r.young) + len(r.aged) }
