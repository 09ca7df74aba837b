package config

import (
	"strings"
	"testing"
	"time"
)

// Retention periods are parsed or refused with a helpful message.
func TestKeep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		runs, events, clients string
		want                  [3]Days
		fault                 string // part of the message; empty for no fault
	}{
		{"", "", "", [3]Days{90, 400, 180}, ""},
		{"7d", "30d", "60d", [3]Days{7, 30, 60}, ""},
		{"off", "off", "off", [3]Days{}, ""},
		{"0", "0", "0", [3]Days{}, ""},
		{"30d", "off", "", [3]Days{30, 0, 180}, ""},
		{"off", "", "", [3]Days{}, "HALOSYNC_KEEP_EVENTS is 400d, shorter than HALOSYNC_KEEP_RUNS"},
		{"500d", "", "", [3]Days{}, "HALOSYNC_KEEP_EVENTS is 400d, shorter than HALOSYNC_KEEP_RUNS"},
		{"6d", "", "", [3]Days{}, "HALOSYNC_KEEP_RUNS is 6d: want at least 7d, or off"},
		{"7d", "29d", "", [3]Days{}, "HALOSYNC_KEEP_EVENTS is 29d: want at least 30d"},
		{"", "", "59d", [3]Days{}, "HALOSYNC_KEEP_CLIENTS is 59d: want at least 60d"},
		{"90", "", "", [3]Days{}, `HALOSYNC_KEEP_RUNS: "90" is not a number of days such as 90d`},
		{"-3d", "", "", [3]Days{}, `"-3d" is not`},
		{"0d", "", "", [3]Days{}, `"0d" is not`},
		{"2160h", "", "", [3]Days{}, `"2160h" is not`},
		{"99999999999d", "", "", [3]Days{}, "at most 36500d"},
	} {
		got, err := Load(environment(map[string]string{
			"HALOSYNC_KEEP_RUNS": c.runs, "HALOSYNC_KEEP_EVENTS": c.events, "HALOSYNC_KEEP_CLIENTS": c.clients,
		}))
		if c.fault == "" {
			if err != nil || [3]Days{got.KeepRuns, got.KeepEvents, got.KeepClients} != c.want {
				t.Errorf("%+v: %v %v %v, %v", c, got.KeepRuns, got.KeepEvents, got.KeepClients, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if d := Days(90).Duration(); d != 2160*time.Hour {
		t.Errorf("90 days are %v", d)
	}
}
