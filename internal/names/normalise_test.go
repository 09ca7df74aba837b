package names

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

func TestNormaliseName(t *testing.T) {
	t.Parallel()
	same := [][]string{
		{"acme ltd", "Acme Ltd", "  ACME\u00a0 Ltd\t", "Acme\u200b Ltd", "Ａｃｍｅ Ltd"},
		{"m\u00fcller & s\u00f6hne", "Mu\u0308ller & So\u0308hne", "M\u00dcLLER & S\u00d6HNE"},
		{"strasse", "Straße", "STRASSE"},
		{"o'neill - partners", "O’Neill – Partners", "O‘NEILL — PARTNERS"},
		{"日本商事", "日本商事 "},
		{"\u13fd\uab70", "\u13f5\u13a0"}, // Cherokee, lower and upper case
		{"", " ", "\u200b", "\x00"},
	}
	for _, names := range same {
		for _, name := range names {
			if got := Normalise(name); got != names[0] {
				t.Errorf("Normalise(%q) = %q, want %q", name, got, names[0])
			}
		}
	}
	for _, pair := range [][2]string{{"Acme Ltd", "Acme Inc"}, {"Acme 1", "Acme 2"}, {"A B", "AB"}} {
		if Normalise(pair[0]) == Normalise(pair[1]) {
			t.Errorf("%q and %q normalise to the same name", pair[0], pair[1])
		}
	}
}

func FuzzNormaliseName(f *testing.F) {
	for _, s := range []string{"Acme", "Straße", "ΣΊΣΥΦΟΣ", "İstanbul", "e\u0301\u0327", "\xff\xfe", "ﬃ", "ǰ", "ᾳ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Normalise(s)
		if twice := Normalise(once); twice != once {
			t.Errorf("Normalise(%q) = %q, again = %q", s, once, twice)
		}
		if want := slowly(s); once != want {
			t.Errorf("Normalise(%q) = %q, the slow path gives %q", s, once, want)
		}
		if !utf8.ValidString(once) {
			t.Errorf("Normalise(%q) = %q, not UTF-8", s, once)
		}
		if apart := Normalise(norm.NFD.String(s)); apart != once {
			t.Errorf("Normalise(%q) = %q, but %q if the input is decomposed first", s, once, apart)
		}
	})
}

// slowly does the same as Normalise, but without the fast path.
func slowly(name string) string {
	s := strings.Map(plain, norm.NFC.String(name))
	s = norm.NFKC.String(strings.ToLower(cases.Fold().String(norm.NFKC.String(s))))
	return norm.NFKC.String(strings.Join(strings.Fields(strings.Map(plain, s)), " "))
}

// The fast path and the slow path give the same result for each letter of the fast path,
// alone and next to others. The test uses a sample of the many Chinese and Korean
// letters.
func TestNormaliseNameShortCut(t *testing.T) {
	t.Parallel()
	var quick []rune
	for r := range rune(0x10000) {
		if !needsFolding(r) {
			quick = append(quick, r)
		}
	}
	random := rand.New(rand.NewPCG(6, 6))
	for i, r := range quick {
		if r > 0x3400 && i%16 != 0 {
			continue
		}
		near := quick[max(0, i-random.IntN(200))]
		for _, name := range []string{string(r), string([]rune{'A', near, r, ' ', r, near, quick[random.IntN(len(quick))], 'B'})} {
			if got, want := Normalise(name), slowly(name); got != want {
				t.Errorf("Normalise(%q) = %q, want %q", name, got, want)
			}
		}
	}
	if len(quick) < 39_000 {
		t.Errorf("%d letters", len(quick))
	}
}

// Normalising a normalised name allocates nothing. For other names, only the result is
// allocated.
func TestNormaliseNameAllocates(t *testing.T) { // not parallel, because it counts the allocations of the whole process
	for name, maxAllocs := range map[string]float64{"Acme Ltd": 1, "O'Neill - Partners": 1, "Bäckerei Süd": 1, "eastwood & okafor llp": 0, "日本商事": 0} {
		if n := testing.AllocsPerRun(100, func() { Normalise(name) }); n > maxAllocs {
			t.Errorf("%q takes %v allocations, want %v", name, n, maxAllocs)
		}
	}
}

func BenchmarkNormaliseName(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"ASCII", "Eastwood & Okafor LLP"}, {"Latin", "Sébastien & Fils Hôtellerie SAS"}, {"Arabic", "شركة الخليج للتجارة"}, {"Japanese", "日本商事株式会社"}, {"folded", "Straße  “Süd” – Büro"},
	} {
		for way, do := range map[string]func(string) string{"": Normalise, " slow path": slowly} {
			b.Run(c.name+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					do(c.text)
				}
			})
		}
	}
}
