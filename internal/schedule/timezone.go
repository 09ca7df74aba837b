package schedule

import "time"

// Next returns the first time of the schedule after the given time. A clock change does
// not skip or double a time. If a local time occurs twice, only the first occurrence
// counts. If a local time does not occur, it is read with the offset before the change,
// so it falls after the change. "@every" counts from the year 1, so that every worker
// computes the same times.
func (s Schedule) Next(after time.Time) time.Time {
	if s.every > 0 {
		return after.Truncate(s.every).Add(s.every).In(s.zone)
	}
	// Missing local times are shifted to later times, so the first result need not be the
	// earliest. After a local time that does occur, all further results are later.
	var next time.Time
	for local := s.nextLocal(localBefore(after.In(s.zone))); !local.IsZero(); local = s.nextLocal(local) {
		t, shown := instant(local, s.zone)
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

// nextLocal returns the first local time of the schedule after the given one. The
// library looks five years ahead, but between 2096 and 2104 there is no 29 February.
func (s Schedule) nextLocal(local time.Time) time.Time {
	for range 2 {
		if next := s.cron.Next(local); !next.IsZero() {
			return next
		}
		local = local.AddDate(5, 0, 0)
	}
	return time.Time{}
}

// localTime returns the local time of t, written as UTC.
func localTime(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// localBefore returns a local time from which to search for all times after t. Usually,
// it is the local time of t. If the clock was just put forward, it is the last local time
// before the change, because the missing times are still to come.
func localBefore(t time.Time) time.Time {
	if changed, _ := t.ZoneBounds(); !changed.IsZero() {
		last := changed.Add(-time.Second).In(t.Location())
		_, before := last.Zone()
		_, now := t.Zone()
		if missing := time.Duration(now-before) * time.Second; t.Before(changed.Add(missing)) {
			return localTime(last)
		}
	}
	return localTime(t)
}

// instant returns when a local time first occurs in a zone. A local time that does not
// occur is read with the offset before the change; in this case, the result shown is false.
func instant(local time.Time, zone *time.Location) (t time.Time, shown bool) {
	// No zone differs from UTC by more than 26 hours. Try the offsets one after another.
	for within := local.Add(-26 * time.Hour).In(zone); ; {
		began, ends := within.ZoneBounds()
		_, offset := within.Zone()
		read := local.Add(-time.Duration(offset) * time.Second).In(zone)
		if read.Before(began) {
			return t, false
		}
		if ends.IsZero() || read.Before(ends) {
			return read, true
		}
		t, within = read, ends
	}
}
