package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a connection is resynced, by the clock on the wall of a
// time zone. It is immutable.
type Schedule struct {
	cron cron.Schedule // in wall-clock time written as UTC
	zone *time.Location
}

// ParseSchedule reads a schedule in standard cron notation, five fields or a
// word such as @daily, with an optional "CRON_TZ=Zone " in front; without it
// the zone is UTC. It refuses a date that never comes ("0 0 31 2 *").
//
// The zone is not left to the library: it panics where no blank follows it
// (robfig/cron#554), skips a run inside the hour that summer time takes away,
// and doubles one inside the hour that winter time repeats (robfig/cron#541).
func ParseSchedule(spec string) (_ Schedule, err error) {
	fields, zone, err := splitZone(strings.TrimSpace(spec))
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", spec, err)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("schedule %q: %v", spec, p)
		}
	}()
	parsed, err := cron.ParseStandard(fields)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", spec, err)
	}
	s := Schedule{cron: parsed, zone: zone}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q: %w", spec, errNever)
	}
	if every, ok := parsed.(cron.ConstantDelaySchedule); ok && every.Delay < shortest {
		return Schedule{}, fmt.Errorf("schedule %q: want %v between two runs at least", spec, shortest)
	}
	return s, nil
}

// shortest is the least time between two runs.
const shortest = time.Minute

var errNever = errors.New("that date never comes")

// splitZone takes the zone off the front of a schedule.
func splitZone(spec string) (fields string, zone *time.Location, err error) {
	name := ""
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if rest, ok := strings.CutPrefix(spec, prefix); ok {
			if name, fields, ok = strings.Cut(rest, " "); !ok || name == "" {
				return "", nil, fmt.Errorf("want %sZone and a blank before the five fields", prefix)
			}
			break
		}
	}
	if name == "" {
		if strings.Contains(spec, "TZ=") {
			return "", nil, errors.New("the zone belongs in front, once")
		}
		return spec, time.UTC, nil
	}
	if name == "Local" {
		return "", nil, errors.New(`zone "Local" differs from machine to machine: want a name such as Europe/Berlin`)
	}
	if zone, err = time.LoadLocation(name); err != nil {
		return "", nil, fmt.Errorf("zone %q is unknown: want a name such as Europe/Berlin", name)
	}
	if strings.Contains(fields, "TZ=") {
		return "", nil, errors.New("the zone belongs in front, once")
	}
	return strings.TrimSpace(fields), zone, nil
}

// Next is the first time after the given one; zero if there is none within
// five years. No time is skipped or doubled when the zone changes its offset:
// a wall time that is doubled counts where it comes first, and one that is
// missing counts by the offset in force before.
func (s Schedule) Next(after time.Time) time.Time {
	wall := wallClock(after.In(s.zone))
	for {
		wall = s.cron.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if t := instant(wall, s.zone); t.After(after) {
			return t
		}
	}
}

// wallClock writes what a clock on the wall shows as if it were UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when the clock on the wall of a zone shows a time.
func instant(wall time.Time, zone *time.Location) time.Time {
	// Offsets change seldom: the one a day before and the one a day after are
	// all that come into question. The earlier one gives the first of two.
	before := at(wall, zone, wall.Add(-24*time.Hour))
	if wallClock(before).Equal(wall) {
		return before
	}
	if after := at(wall, zone, wall.Add(24*time.Hour)); wallClock(after).Equal(wall) {
		return after
	}
	return before // the clock never shows it
}

// at reads a wall time with the offset that is in force at another time.
func at(wall time.Time, zone *time.Location, when time.Time) time.Time {
	_, offset := when.In(zone).Zone()
	return wall.Add(-time.Duration(offset) * time.Second).In(zone)
}
