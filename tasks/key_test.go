package tasks

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Postgres and Redis store keys, so the key of a request must never change.
func TestKeyIsStable(t *testing.T) {
	t.Parallel()
	if got, want := Key(KindImport, validImport()), "5c85126d6ccc5e8197905b43ef6d1332"; got != want {
		t.Errorf("key = %s, want %s", got, want)
	}
}

func TestKeySameness(t *testing.T) {
	t.Parallel()
	base := validImport()
	base.All, base.ClientIDs = false, []int64{1, 2}
	for name, tc := range map[string]struct {
		change func(*ImportArgs)
		same   bool
	}{
		"order and repeats": {func(a *ImportArgs) { a.ClientIDs = []int64{2, 1, 2} }, true},
		"who asks":          {func(a *ImportArgs) { a.RequestedBy = "bob" }, true},
		"spelling of uuid":  {func(a *ImportArgs) { a.ConnectionID = strings.ToUpper(a.ConnectionID) }, true},
		"tenant":            {func(a *ImportArgs) { a.Tenant = "other" }, false},
		"other ids":         {func(a *ImportArgs) { a.ClientIDs = []int64{1, 3} }, false},
		"dry run":           {func(a *ImportArgs) { a.DryRun = true }, false},
		"everything":        {func(a *ImportArgs) { a.All, a.ClientIDs = true, nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := base
			other.ClientIDs = slices.Clone(base.ClientIDs)
			tc.change(&other)
			if got := Key(KindImport, base) == Key(KindImport, other); got != tc.same {
				t.Errorf("same = %v, want %v", got, tc.same)
			}
		})
	}
	if Key("halo:map", base) == Key(KindImport, base) {
		t.Error("requests of two kinds have the same key")
	}
}

func TestNewRunID(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{12}7[0-9a-f]{19}$`)
	last := ""
	for range 1000 {
		id := NewRunID()
		if !form.MatchString(id) {
			t.Fatalf("run id %q: not a version 7 uuid in 32 hex digits", id)
		}
		if id <= last {
			t.Fatalf("run id %q after %q: not in order", id, last)
		}
		last = id
	}
}

func TestParseRunID(t *testing.T) {
	t.Parallel()
	const want = "0190f1a45c6b7d3e8f90a1b2c3d4e5f6"
	for _, s := range []string{want, strings.ToUpper(want), "0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6"} {
		if got, err := parseRunID(s); got != want || err != nil {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", want + "0", want[:31], "{" + want + "}", "urn:uuid:0190f1a4-5c6b-7d3e-8f90-a1b2c3d4e5f6", strings.Repeat("é", 16)} {
		if got, err := parseRunID(s); err == nil {
			t.Errorf("%q: accepted as %q", s, got)
		}
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc…"},
		{"aé", 2, "a�…"}, // cut in the middle of a character
		{"\xff", 9, "�"},
	} {
		if got := excerpt([]byte(tc.in), tc.n); got != tc.want {
			t.Errorf("excerpt(%q, %d) = %q, want %q", tc.in, tc.n, got, tc.want)
		}
	}
}
