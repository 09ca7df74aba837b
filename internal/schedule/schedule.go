// Package schedule computes when a connection is resynced. Schedules use cron notation in
// any time zone. Clock changes neither skip nor double a resync, and resyncs are spread
// over a window. The package reads no clock.
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule holds the times at which a connection is resynced, in the local time of a time
// zone. It is immutable.
type Schedule struct {
	cron  cron.Schedule // in local time written as UTC
	zone  *time.Location
	every time.Duration // interval of "@every", which ignores local time; 0 for other schedules
}

// Parse parses a schedule in standard cron notation (five fields or a word such as
// @daily) with an optional prefix "CRON_TZ=Zone ". The default zone is UTC. It rejects
// a date that never occurs ("0 0 31 2 *") and a schedule of more than 200 bytes.
//
// Parse handles the zone itself, because the library has two faults. It panics if no
// space follows the zone (robfig/cron#554). When the clocks change, it skips a run in the
// missing hour and doubles a run in the repeated hour (robfig/cron#541).
func Parse(spec string) (_ Schedule, err error) {
	if len(spec) > maxSpec {
		return Schedule{}, fmt.Errorf("schedule %q…: longer than %d bytes", strings.ToValidUTF8(spec[:40], ""), maxSpec)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			err = fmt.Errorf("schedule %q: %w", spec, err)
		}
	}()
	fields, zone, err := splitZone(strings.TrimSpace(spec))
	if err != nil {
		return Schedule{}, err
	}
	for field := range strings.FieldsSeq(fields) {
		if slices.Contains(strings.Split(field, ","), "") {
			return Schedule{}, fmt.Errorf("a value is missing before or after a comma in %q", field)
		}
	}
	if fields, err = sundays(fields); err != nil {
		return Schedule{}, err
	}
	s := Schedule{zone: zone}
	if s.cron, err = cron.ParseStandard(fields); err != nil {
		return Schedule{}, err
	}
	if constant, ok := s.cron.(cron.ConstantDelaySchedule); ok {
		if s.every = constant.Delay; s.every < minInterval {
			return Schedule{}, fmt.Errorf("want at least %v between two runs", minInterval)
		}
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, errNever
	}
	return s, nil
}

// maxSpec is the maximum length of a schedule in bytes, here and in the database.
const maxSpec = 200

// minInterval is the minimum time between two runs.
const minInterval = time.Minute

var errNever = errors.New("that date never comes")

// splitZone splits a schedule into its fields and its zone.
func splitZone(spec string) (fields string, zone *time.Location, err error) {
	name := ""
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if rest, ok := strings.CutPrefix(spec, prefix); ok {
			if name, fields, ok = strings.Cut(rest, " "); !ok || name == "" {
				return "", nil, fmt.Errorf("want %sZone and a space before the five fields", prefix)
			}
			break
		}
	}
	if name == "" {
		if strings.Contains(spec, "TZ=") {
			return "", nil, errors.New("write the time zone once, in front of the fields")
		}
		return spec, time.UTC, nil
	}
	if name == "Local" {
		return "", nil, errors.New(`zone "Local" differs from machine to machine: use a name such as Europe/Berlin`)
	}
	if zone, err = time.LoadLocation(name); err != nil {
		return "", nil, fmt.Errorf("zone %q is unknown: use a name such as Europe/Berlin", name)
	}
	if strings.Contains(fields, "TZ=") {
		return "", nil, errors.New("write the time zone once, in front of the fields")
	}
	return strings.TrimSpace(fields), zone, nil
}
