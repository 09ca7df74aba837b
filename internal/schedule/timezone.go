package schedule

import "time"

// Next is the first time after the given one. No time is skipped or doubled
// when the zone changes its offset: a wall time that is doubled counts where
// it comes first, and one that is missing counts by the offset in force
// before, which is after the change. "@every" counts from the year 1, so that
// every worker comes to the same times.
func (s Schedule) Next(after time.Time) time.Time {
	if s.every > 0 {
		return after.Truncate(s.every).Add(s.every).In(s.zone)
	}
	// Missing wall times come among later ones, so the first time that is found
	// need not be the next. Beyond a time that the clock does show, all are later.
	var next time.Time
	for wall := s.nextWall(wallBefore(after.In(s.zone))); !wall.IsZero(); wall = s.nextWall(wall) {
		t, shown := instant(wall, s.zone)
		if !t.After(after) {
			continue
		}
		if next.IsZero() || t.Before(next) {
			next = t
		}
		if shown {
			break
		}
	}
	return next
}

// nextWall is the first wall time of the schedule after another. The library
// looks five years ahead; from 2096 to 2104, February has no 29th.
func (s Schedule) nextWall(wall time.Time) time.Time {
	for range 2 {
		if next := s.cron.Next(wall); !next.IsZero() {
			return next
		}
		wall = wall.AddDate(5, 0, 0)
	}
	return time.Time{}
}

// wallClock writes what a clock on the wall shows as if it were UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// wallBefore is a wall time after which all are found whose instant is after
// t: what the clock shows, or, where it was just put forward, what it showed
// right before that, since the missing times are still to come.
func wallBefore(t time.Time) time.Time {
	if changed, _ := t.ZoneBounds(); !changed.IsZero() {
		last := changed.Add(-time.Second).In(t.Location())
		_, before := last.Zone()
		_, now := t.Zone()
		if missing := time.Duration(now-before) * time.Second; t.Before(changed.Add(missing)) {
			return wallClock(last)
		}
	}
	return wallClock(t)
}

// instant is when the clock on the wall of a zone first shows a time. One that
// it never shows is read with the offset in force before it was put forward.
func instant(wall time.Time, zone *time.Location) (t time.Time, shown bool) {
	// No zone is a day away from UTC. From there on, one offset after the other.
	for within := wall.Add(-26 * time.Hour).In(zone); ; {
		began, ends := within.ZoneBounds()
		_, offset := within.Zone()
		read := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if read.Before(began) {
			return t, false
		}
		if ends.IsZero() || read.Before(ends) {
			return read, true
		}
		t, within = read, ends
	}
}
