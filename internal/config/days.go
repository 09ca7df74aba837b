package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Days is how long something is kept, in days; 0 is for ever.
type Days int

// UnmarshalText reads "90d", or "off" or "0" for ever.
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

// maxDays is a century, which is for ever with a number on it.
const maxDays = 36_500

// Duration of the days.
func (d Days) Duration() time.Duration { return time.Duration(d) * 24 * time.Hour }

// The least that may be kept: the queue remembers a request for a week, the
// database refuses to delete younger events, and an import notes once in 30 days
// that it has seen a client.
const (
	leastRuns    = 7
	leastEvents  = 30
	leastClients = 60
)

// checkKeep looks at how long history is kept.
func (c *Config) checkKeep() (faults []string) {
	for _, k := range []struct {
		name        string
		days, least Days
	}{
		{"HALOSYNC_KEEP_RUNS", c.KeepRuns, leastRuns},
		{"HALOSYNC_KEEP_EVENTS", c.KeepEvents, leastEvents},
		{"HALOSYNC_KEEP_CLIENTS", c.KeepClients, leastClients},
	} {
		if k.days != 0 && k.days < k.least {
			faults = append(faults, fmt.Sprintf("%s is %dd: want %dd at least, or off", k.name, k.days, k.least))
		}
	}
	if c.KeepEvents != 0 && (c.KeepRuns == 0 || c.KeepEvents < c.KeepRuns) {
		faults = append(faults, fmt.Sprintf("HALOSYNC_KEEP_EVENTS is %dd and HALOSYNC_KEEP_RUNS is longer: an undo reads the events of its run, so keep them as long", c.KeepEvents))
	}
	return faults
}
