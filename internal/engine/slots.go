package engine

import (
	"hash/fnv"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/repo"
)

// slots are the times at which one connection is resynced: those of its
// schedule, each put off a little, so that ten thousand connections with the
// same schedule do not start in the same second.
type slots struct {
	schedule   Schedule
	connection uuid.UUID
	window     time.Duration // over which connections are spread
}

// spread is by how much a connection starts after a time of its schedule, in
// whole seconds: less than the window, and less than half of the gap to the
// next time. A connection keeps its place in the window.
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

// from yields the slots after a time, in order. They depend on nothing else:
// whoever plans, and whenever, comes to the same ones.
func (s slots) from(after time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		// A time of the schedule that has passed may have its slot still to come.
		for t := s.schedule.Next(after.Add(-s.window)); !t.IsZero(); {
			gap, following := 2*s.window, s.schedule.Next(t)
			if !following.IsZero() {
				gap = following.Sub(t)
			}
			slot := t.Add(spread(s.connection, s.window, gap))
			if slot.After(after) && !yield(slot) {
				return
			}
			t = following
		}
	}
}

// next is the first slot after a time; zero if there is none.
func (s slots) next(after time.Time) time.Time {
	for t := range s.from(after) {
		return t
	}
	return time.Time{}
}

// maxMissed bounds the counting of missed slots.
const maxMissed = 1000

// missed counts the slots after the due one that have passed by now: nobody
// was there to see them, and one run makes up for all.
func (s slots) missed(due, now time.Time) (n int) {
	for t := range s.from(due) {
		if t.After(now) || n == maxMissed {
			break
		}
		n++
	}
	return n
}

// planSlot says when a connection's next resync is, and how many it has
// missed. A schedule of its own that does not parse (it was checked when it
// was set, perhaps by a program that knows more zones) gives way to the
// default, rather than letting nights pass.
func (e *Engine) planSlot(c repo.DueConnection, now time.Time) (repo.Slot, error) {
	spec := e.schedule
	if c.ResyncCron != "" {
		spec = c.ResyncCron
	}
	schedule, err := ParseSchedule(spec)
	if err != nil && c.ResyncCron != "" {
		e.log.Error("schedule of a connection: the default is used", zap.Stringer("connection", c.ID), zap.Error(err))
		schedule, err = ParseSchedule(e.schedule)
	}
	if err != nil {
		return repo.Slot{}, err
	}
	s := slots{schedule, c.ID, e.spread}
	slot := repo.Slot{Next: s.next(now), Spec: spec + e.specSuffix()}
	if c.NextResyncAt != nil {
		slot.Missed = s.missed(*c.NextResyncAt, now)
	}
	return slot, nil
}

// specSuffix tells plans with another spread apart.
func (e *Engine) specSuffix() string { return spreadMark + e.spread.String() }

// spreadMark separates the schedule of a plan from its spread.
const spreadMark = " +"

// PlannedSchedule is the schedule that a connection's next resync was planned
// by; empty: it has not been planned yet.
func PlannedSchedule(c repo.Connection) string {
	spec, _, _ := strings.Cut(c.NextResyncSpec, spreadMark)
	return spec
}
