package api

import (
	"strings"
	"testing"
)

func TestCursor(t *testing.T) {
	t.Parallel()
	got, err := parseCursor("runs", cursor("runs", "a", "b"), 2)
	if err != nil || strings.Join(got, ",") != "a,b" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{cursor("events", "a", "b"), cursor("runs", "a"), cursor("runs", "a", "b\x00"), "%", "x"} {
		if _, err := parseCursor("runs", bad, 2); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzParseCursor checks that only cursors that the API has returned are accepted.
func FuzzParseCursor(f *testing.F) {
	f.Add(cursor("runs", "2026-01-31T08:00:00Z", "0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172"))
	f.Add("")
	f.Add("cnVucwo")
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := parseCursor("runs", text, 2)
		if err != nil || text == "" {
			return
		}
		if again, err := parseCursor("runs", cursor("runs", parts...), 2); err != nil || strings.Join(again, "\n") != strings.Join(parts, "\n") {
			t.Errorf("%q: %q, %v", text, again, err)
		}
	})
}
