package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// ParseSchedule reads a schedule in standard cron notation, five fields, with
// an optional "CRON_TZ=Zone " in front. It refuses what the library accepts
// and would never or wrongly run: a date that never comes ("0 0 31 2 *"), and
// a zone without a blank behind it, on which the library panics
// (robfig/cron#554).
func ParseSchedule(spec string) (_ cron.Schedule, err error) {
	spec = strings.TrimSpace(spec)
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if strings.HasPrefix(spec, prefix) && !strings.Contains(spec, " ") {
			return nil, fmt.Errorf("schedule %q: want %sZone and a blank before the five fields", spec, prefix)
		}
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("schedule %q: %v", spec, p)
		}
	}()
	schedule, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", spec, err)
	}
	if schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("schedule %q: %w", spec, errNever)
	}
	return schedule, nil
}

var errNever = errors.New("that date never comes")
