package schedule

import (
	"hash/fnv"
	"iter"
	"time"

	"github.com/google/uuid"
)

// Slots are the times at which one connection is resynced: the times of its schedule,
// each with a small delay. The delay keeps connections with the same schedule from
// starting in the same second.
type Slots struct {
	Schedule   Schedule
	Connection uuid.UUID
	Window     time.Duration // over which connections are spread
}

// spread returns a connection's delay after a time of its schedule, in whole seconds.
// The delay is less than the window and less than half of the gap to the next time. The
// relative position in the window depends only on the connection.
func spread(connection uuid.UUID, window, gap time.Duration) time.Duration {
	window = min(window, gap/2)
	if window < time.Second {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write(connection[:]) // never fails
	place := float64(h.Sum64()>>11) / (1 << 53)
	return time.Duration(place * float64(window)).Truncate(time.Second)
}

// from yields the slots after a time, in order. Every worker computes the same slots at
// any time.
func (s Slots) from(after time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		// The slot of a past schedule time may still be in the future.
		for t := s.Schedule.Next(after.Add(-s.Window)); !t.IsZero(); {
			gap, following := 2*s.Window, s.Schedule.Next(t)
			if !following.IsZero() {
				gap = following.Sub(t)
			}
			slot := t.Add(spread(s.Connection, s.Window, gap))
			if slot.After(after) && !yield(slot) {
				return
			}
			t = following
		}
	}
}

// Next returns the first slot after a time, or zero if there is none.
func (s Slots) Next(after time.Time) time.Time {
	for t := range s.from(after) {
		return t
	}
	return time.Time{}
}

// LateAfter is how long a resync may be due before it counts as late.
const LateAfter = 15 * time.Minute

// SpreadMark separates the schedule from its spread in a stored plan.
const SpreadMark = " +"

// maxMissed bounds the counting of missed slots.
const maxMissed = 1000

// Missed counts the slots after the time due that have passed by the time now, up to 1,000.
// One run catches up on all of them.
func (s Slots) Missed(due, now time.Time) (n int) {
	for t := range s.from(due) {
		if t.After(now) || n == maxMissed {
			break
		}
		n++
	}
	return n
}
