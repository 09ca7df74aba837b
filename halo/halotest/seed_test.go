package halotest

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

func seeded(n int, seed uint64) *Tenant {
	x := New().Tenant("")
	x.Seed(n, seed)
	return x
}

func TestSeedIsDeterministic(t *testing.T) {
	t.Parallel()
	a, b, c := seeded(2500, 1).Clients(), seeded(2500, 1).Clients(), seeded(2500, 2).Clients()
	if d := cmp.Diff(a, b); d != "" {
		t.Error("same seed, different clients:\n", d)
	}
	if cmp.Equal(a, c) {
		t.Error("different seeds, same clients")
	}
}

func TestSeedShape(t *testing.T) {
	t.Parallel()
	cs := seeded(2500, 1).Clients()
	if len(cs) != 2500 || cs[0].ID != 1 || cs[0].Name != "Unknown" {
		t.Fatalf("%d clients, the first %+v", len(cs), cs[0])
	}
	share := func(what string, low, high int, f func(Client) bool) {
		t.Helper()
		n := 0
		for _, c := range cs {
			if f(c) {
				n++
			}
		}
		if n < low || n > high {
			t.Errorf("%s: %d, want %d to %d", what, n, low, high)
		}
	}
	share("inactive", 50, 150, func(c Client) bool { return c.Inactive })
	share("without top level", 10, 100, func(c Client) bool { return c.TopLevelID == 0 })
	share("top level 1", 1500, 2100, func(c Client) bool { return c.TopLevelID == 1 })
	share("not ASCII", 600, 1300, func(c Client) bool { return strings.ContainsFunc(c.Name, func(r rune) bool { return r > 127 }) })
	share("never changed", 50, 250, func(c Client) bool { return c.Updated.IsZero() })
	share("custom fields", 150, 350, func(c Client) bool { return len(c.CustomFields) > 0 })
	share("name empty, or with pieces of a pattern left in it", 0, 0, func(c Client) bool {
		return c.Name == "" || strings.HasSuffix(c.Name, " L") || strings.Contains(c.Name, " F ")
	})
	share("not UTF-8", 0, 0, func(c Client) bool { return !utf8.ValidString(c.Name) })

	gaps := 0
	for i := 1; i < len(cs); i++ {
		if cs[i].ID > cs[i-1].ID+1 {
			gaps++
		}
	}
	if gaps < 250 {
		t.Errorf("%d gaps between ids", gaps)
	}
	names := map[string]int{}
	for _, c := range cs {
		names[c.Name]++
	}
	if twice := len(cs) - len(names); twice < 1 || twice > 60 {
		t.Errorf("%d names occur more than once, want a few", twice)
	}
}

func TestSeedHoldsEveryHostileName(t *testing.T) {
	t.Parallel()
	for _, n := range []int{300, 2500} {
		var names []string
		for _, c := range seeded(n, 9).Clients() {
			names = append(names, c.Name)
		}
		for _, odd := range hostileNames() {
			i := slices.Index(names, odd)
			if i < 0 {
				t.Errorf("%d clients without %q", n, odd)
				continue
			}
			names = slices.Delete(names, i, i+1) // a name that is listed twice must be found twice
		}
	}
}

// The hostile names cover every kind of problem.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	odd := hostileNames()
	some := func(what string, f func(string) bool) {
		t.Helper()
		if !slices.ContainsFunc(odd, f) {
			t.Errorf("no name is %s", what)
		}
	}
	pair := func(what string, f func(a, b string) bool) {
		t.Helper()
		some("one of a pair: "+what, func(a string) bool {
			return slices.ContainsFunc(odd, func(b string) bool { return a != b && f(a, b) })
		})
	}
	pair("precomposed and combining", func(a, b string) bool { return norm.NFC.String(a) == norm.NFC.String(b) })
	pair("same but for case", func(a, b string) bool { return strings.EqualFold(a, b) })
	sorted := slices.Sorted(slices.Values(odd))
	if len(slices.Compact(sorted)) == len(odd) {
		t.Error("no name occurs twice")
	}
	for _, prefix := range []string{"=", "+", "-", "@", " "} {
		some("one that starts with "+prefix, func(s string) bool { return strings.HasPrefix(s, prefix) })
	}
	for _, part := range []string{"&", "<script>", `"`, "'", `\`, ",", "%", "_", "\t", "\n", "\u00a0", "\u200b", "\ufeff", "\u202e"} {
		some("one with "+part, func(s string) bool { return strings.Contains(s, part) })
	}
	for _, script := range []*unicode.RangeTable{unicode.Han, unicode.Katakana, unicode.Arabic, unicode.Hebrew, unicode.Cyrillic, unicode.Thai, unicode.Devanagari, unicode.So} {
		some("in some script", func(s string) bool {
			return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(script, r) })
		})
	}
	some("long", func(s string) bool { return utf8.RuneCountInString(s) > 250 && s[0] < 128 })
	some("long in bytes", func(s string) bool { return len(s) > 700 })
	some("ended by a blank", func(s string) bool { return strings.HasSuffix(s, " ") })
}

func TestSeedOfOddSizes(t *testing.T) {
	t.Parallel()
	for n := range 12 {
		if got := seeded(n, 1).Len(); got != n {
			t.Errorf("Seed(%d) added %d", n, got)
		}
	}
	if got := seeded(-5, 1).Len(); got != 0 {
		t.Errorf("Seed(-5) added %d", got)
	}
	x := seeded(100, 1)
	before := x.Clients()
	x.Seed(100, 2)
	if d := cmp.Diff(before, x.Clients()[:100]); d != "" || x.Len() != 200 {
		t.Errorf("a second seed does not add to the first: %d clients %s", x.Len(), d)
	}
	y := New().Tenant("")
	y.Add(Client{ID: 40, Name: "mine"}, Client{ID: 41, Name: "too"})
	y.Seed(50, 1)
	if c, _ := y.Get(41); c.Name != "too" || y.Len() != 52 || y.IDs()[0] != 1 {
		t.Errorf("seeding overwrote a client: %+v of %d", c, y.Len())
	}
}
