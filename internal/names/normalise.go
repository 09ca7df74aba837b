// Package names compares the names of companies. Two names are the same if [Normalise]
// makes them equal, and similar if they differ only in their legal form.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Normalise returns a form of the name for comparison: names with the same form count as
// the same company. It replaces quotes, dashes and other punctuation with the characters
// on the keyboard that look like them, drops invisible characters, unifies compatibility
// characters (NFKC), folds case and collapses white space. It keeps legal forms: "Acme
// Ltd" and "Acme Inc" are two companies. Applying it twice changes nothing. The result
// may be empty.
//
// If you change the result for any name, add a migration with the line "--
// halosync:normalise-names", because the database stores the results.
func Normalise(name string) string {
	if strings.IndexFunc(name, needsFolding) < 0 {
		return squeeze(strings.ToLower(name))
	}
	// Replace punctuation before NFKC, which would turn ´ into a space and a combining
	// accent, and again afterwards, because NFKC can produce such punctuation. Before that,
	// NFC makes canonically equivalent names equal.
	s := strings.Map(plain, norm.NFC.String(name))
	// Folding and composition can undo each other, so compose before and after. Convert
	// to lower case after folding, because the library swaps the case of Cherokee
	// letters.
	s = norm.NFKC.String(strings.ToLower(cases.Fold().String(norm.NFKC.String(s))))
	return norm.NFKC.String(squeeze(strings.Map(plain, s)))
}

// needsFolding reports whether a name with r may need more than conversion to lower case
// and [squeeze].
func needsFolding(r rune) bool { return r >= utf8.RuneSelf && !unicode.Is(simpleLetters, r) }

// simpleLetters are the common letters that only need conversion to lower case and do not
// combine with each other.
var simpleLetters = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00c0, Hi: 0x00de, Stride: 1}, // Latin, without ß
		{Lo: 0x00e0, Hi: 0x012f, Stride: 1}, // without İ and the ligature ĳ
		{Lo: 0x0134, Hi: 0x013e, Stride: 1}, // without ŀ
		{Lo: 0x0141, Hi: 0x0148, Stride: 1}, // without ŉ
		{Lo: 0x014a, Hi: 0x017e, Stride: 1},
		{Lo: 0x0400, Hi: 0x045f, Stride: 1}, // Cyrillic
		{Lo: 0x05d0, Hi: 0x05ea, Stride: 1}, // Hebrew
		{Lo: 0x0620, Hi: 0x063f, Stride: 1}, // Arabic
		{Lo: 0x0641, Hi: 0x064a, Stride: 1},
		{Lo: 0x3041, Hi: 0x3096, Stride: 1}, // kana
		{Lo: 0x30a1, Hi: 0x30fa, Stride: 1},
		{Lo: 0x30fc, Hi: 0x30fe, Stride: 1},
		{Lo: 0x3400, Hi: 0x4dbf, Stride: 1}, // Chinese characters
		{Lo: 0x4e00, Hi: 0x9fff, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, // Hangul
	},
	LatinOffset: 1,
}

// plain maps punctuation to the characters on the keyboard and drops invisible
// characters.
func plain(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case invisible(r), r == utf8.RuneError:
		return -1
	}
	if as, ok := lookalikes[r]; ok {
		return as
	}
	if unicode.In(r, unicode.Dash, unicode.Pd) {
		return '-'
	}
	return r
}

// squeeze handles ASCII: it collapses white space, drops control characters and replaces
// backticks with apostrophes.
func squeeze(s string) string {
	if tidied(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	blank := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ' ', c >= '\t' && c <= '\r':
			blank = true
			continue
		case c < ' ', c == 0x7f:
			continue
		case c == '`':
			c = '\''
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteByte(c)
	}
	return b.String()
}

// tidied reports whether there is nothing to squeeze.
func tidied(s string) bool {
	blank := true // leading space is squeezed, too
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f || c == '`' || c == ' ' && blank {
			return false
		}
		blank = c == ' '
	}
	return !blank || s == ""
}

// Some joins up to three strings with commas and adds "and more" if there are
// more.
func Some(texts []string) string {
	const maxListed = 3
	if len(texts) <= maxListed {
		return strings.Join(texts, ", ")
	}
	return strings.Join(texts[:maxListed], ", ") + " and more"
}
