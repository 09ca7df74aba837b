package engine

import (
	"hash/fnv"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
)

// slots are the times at which one connection is resynced: those of its
// schedule, all shifted by the same bit, so that ten thousand connections with
// the same schedule do not start in the same second.
type slots struct {
	schedule Schedule
	shift    time.Duration
}

// newSlots shifts a schedule by less than the window, and by less than half of
// the time between two runs. The same connection always gets the same shift.
func newSlots(s Schedule, connection uuid.UUID, window time.Duration, now time.Time) slots {
	first := s.Next(now)
	if second := s.Next(first); !second.IsZero() {
		window = min(window, second.Sub(first)/2)
	}
	if window < time.Second {
		return slots{schedule: s}
	}
	h := fnv.New64a()
	_, _ = h.Write(connection[:])                                                      // never fails
	return slots{s, time.Duration(h.Sum64()%uint64(window/time.Second)) * time.Second} //nolint:gosec // the window is positive
}

// next is the first slot after a time.
func (s slots) next(after time.Time) time.Time {
	t := s.schedule.Next(after.Add(-s.shift))
	if t.IsZero() {
		return t
	}
	return t.Add(s.shift)
}

// maxMissed bounds the counting of missed slots.
const maxMissed = 1000

// missed counts the slots after the due one that have passed by now: nobody
// was there to see them, and one run makes up for all.
func (s slots) missed(due, now time.Time) (n int) {
	for t := s.next(due); !t.IsZero() && !t.After(now) && n < maxMissed; t = s.next(t) {
		n++
	}
	return n
}

// planSlot says when a connection's next resync is, and how many it has missed.
func (e *Engine) planSlot(c repo.DueConnection, now time.Time) (repo.Slot, error) {
	spec := e.schedule
	if c.ResyncCron != "" {
		spec = c.ResyncCron
	}
	schedule, err := ParseSchedule(spec)
	if err != nil {
		return repo.Slot{}, err
	}
	s := newSlots(schedule, c.ID, e.spread, now)
	slot := repo.Slot{Next: s.next(now), Spec: spec + e.specSuffix()}
	if c.NextResyncAt != nil {
		slot.Missed = s.missed(*c.NextResyncAt, now)
	}
	return slot, nil
}

// specSuffix tells plans with another spread apart.
func (e *Engine) specSuffix() string { return " +" + e.spread.String() }
