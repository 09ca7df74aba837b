package engine

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// NormaliseName gives the form under which two names count as the same
// company: compatibility forms unified (NFKC), case folded, typographic
// quotes and dashes made plain, invisible characters dropped, blanks
// collapsed. Legal forms stay: "Acme Ltd" and "Acme Inc" are two companies.
// Applying it twice changes nothing. The result may be empty.
func NormaliseName(name string) string {
	// Folding can undo composition and the reverse, so compose at both ends.
	// Lower case after it, because the library folds each case of a Cherokee
	// letter to the other.
	s := norm.NFKC.String(strings.ToLower(cases.Fold().String(norm.NFKC.String(name))))

	var b strings.Builder
	b.Grow(len(s))
	blank := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			blank = true
			continue
		case unicode.Is(unicode.Cf, r) || unicode.IsControl(r):
			continue // zero-width joiners, direction marks, soft hyphens
		case r == utf8Error:
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteRune(plain(r))
	}
	return norm.NFKC.String(b.String())
}

const utf8Error = '\uFFFD'

// plain maps the quotes and dashes that word processors put in names to those
// on the keyboard.
func plain(r rune) rune {
	switch r {
	case '‘', '’', '‛', 'ʼ', '´', '`':
		return '\''
	case '“', '”', '„', '‟', '«', '»':
		return '"'
	}
	if unicode.Is(unicode.Pd, r) || r == '−' {
		return '-'
	}
	return r
}
