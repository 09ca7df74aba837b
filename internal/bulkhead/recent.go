package bulkhead

import "time"

const (
	// maxRecent is the maximum number of values of one generation.
	maxRecent = 10_000
	// generation is how long a value that is not used is kept, at least.
	generation = time.Minute
)

// Recent keeps a value for each key that is in use, such as a counter that is as good as
// new after a minute. Two generations of values change places every minute, so a key that
// is not used is forgotten after one to two minutes. If very many keys are in use, they
// are forgotten early. The zero value is empty. It is not safe for concurrent use.
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
