package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Days is a retention period in days; 0 means forever.
type Days int

// UnmarshalText parses a value such as "90d". The values "off" and "0" mean forever.
func (d *Days) UnmarshalText(text []byte) error {
	value := string(text)
	if value == "off" || value == "0" {
		*d = 0
		return nil
	}
	number, ok := strings.CutSuffix(value, "d")
	n, err := strconv.ParseUint(number, 10, 31)
	if !ok || err != nil || n == 0 || n > maxDays {
		return fmt.Errorf("%.80q is not a number of days such as 90d (at most %dd), or off", value, maxDays)
	}
	*d = Days(n)
	return nil
}

// maxDays is the maximum retention period, about a century.
const maxDays = 36_500

// Duration returns the retention period as a duration.
func (d Days) Duration() time.Duration { return time.Duration(d) * 24 * time.Hour }

// The minimum retention periods. The queue keeps the key of a request for a week. The
// database refuses to delete events that are younger than the minimum for events. Imports
// update a client's last-seen time only every 30 days.
const (
	minRuns    = 7
	minEvents  = 30
	minClients = 60
)

// checkKeep reports faults in the retention periods.
func (c *Config) checkKeep() (faults []string) {
	for _, k := range []struct {
		name      string
		days, min Days
	}{
		{"HALOSYNC_KEEP_RUNS", c.KeepRuns, minRuns},
		{"HALOSYNC_KEEP_EVENTS", c.KeepEvents, minEvents},
		{"HALOSYNC_KEEP_CLIENTS", c.KeepClients, minClients},
	} {
		if k.days != 0 && k.days < k.min {
			faults = append(faults, fmt.Sprintf("%s is %dd: want at least %dd, or off", k.name, k.days, k.min))
		}
	}
	if c.KeepEvents != 0 && (c.KeepRuns == 0 || c.KeepEvents < c.KeepRuns) {
		faults = append(faults, fmt.Sprintf(
			"HALOSYNC_KEEP_EVENTS is %dd, shorter than HALOSYNC_KEEP_RUNS: an undo needs the events of its run, so keep them at least as long",
			c.KeepEvents))
	}
	return faults
}
