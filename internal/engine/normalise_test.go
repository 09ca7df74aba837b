package engine

import (
	"testing"
	"unicode/utf8"
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
			if got := NormaliseName(name); got != names[0] {
				t.Errorf("NormaliseName(%q) = %q, want %q", name, got, names[0])
			}
		}
	}
	for _, pair := range [][2]string{{"Acme Ltd", "Acme Inc"}, {"Acme 1", "Acme 2"}, {"A B", "AB"}} {
		if NormaliseName(pair[0]) == NormaliseName(pair[1]) {
			t.Errorf("%q and %q became one", pair[0], pair[1])
		}
	}
}

func FuzzNormaliseName(f *testing.F) {
	for _, s := range []string{"Acme", "Straße", "ΣΊΣΥΦΟΣ", "İstanbul", "e\u0301\u0327", "\xff\xfe", "ﬃ", "ǰ", "ᾳ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := NormaliseName(s)
		if twice := NormaliseName(once); twice != once {
			t.Errorf("NormaliseName(%q) = %q, again = %q", s, once, twice)
		}
		if !utf8.ValidString(once) {
			t.Errorf("NormaliseName(%q) = %q, not UTF-8", s, once)
		}
	})
}
