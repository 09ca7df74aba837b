// Package plaintext says which characters a text from outside may hold, and
// makes texts safe to show. There is one policy for names and notes whoever
// writes them: [Clean] for a system that cannot be asked again (Halo), [Check]
// for people, [Printable], [Escape] and the like for whatever is shown, because
// a database may hold what was stored before the policy.
//
// Refused are: control characters (C0, DEL, C1), line and paragraph separators,
// whatever embeds, overrides or isolates a reading direction (U+202A to U+202E,
// U+2066 to U+2069), characters without a shape (zero-width spaces, byte order
// marks, tags, fillers, soft hyphens), and noncharacters.
//
// Kept are: joiners (U+200C, U+200D) within words of the scripts that need
// them and within emoji; elsewhere they would only make two names differ that
// look the same. The marks U+200E, U+200F and U+061C, which Hebrew and Arabic
// names with Latin parts need: they act on their neighbours alone. Variation
// selectors, which Japanese names need.
package plaintext

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// mark says that r acts on the reading direction of their neighbours.
func mark(r rune) bool { return r == '\u200e' || r == '\u200f' || r == '\u061c' }

func joins(r rune) bool { return r == joiner || r == nonJoiner }

// breaks says that r is a character that ends a line or stands between words as a tab does.
func breaks(r rune) bool {
	return r >= '\t' && r <= '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// refused says that no text may hold r. Joiners depend on what is beside them.
func refused(r rune) bool {
	switch {
	case r >= ' ' && r < 0x7f:
		return false
	case r < 0x034f: // Latin and accents, as most names have; of these only controls and the soft hyphen
		return r < 0xa0 || r == 0xad
	case unicode.IsControl(r), breaks(r):
		return true
	case joins(r), mark(r), unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

// word says that r can be beside a joiner: a letter, mark or symbol beyond the
// scripts of Europe, none of which joins.
func word(r rune) bool {
	return r >= 0x0590 && !joins(r) && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsSymbol(r))
}

// Clean makes a text of s that [Check] accepts: breaks become blanks, what is
// refused or not UTF-8 is dropped, blanks around it are trimmed, and it is cut
// after most characters. Cleaning twice changes nothing. The result shares no
// memory with a much longer s.
func Clean(s string, most int) string {
	whole := len(s)
	s = strings.TrimSpace(s)
	if _, at := firstFault(s); at == 0 && (len(s) <= most || utf8.RuneCountInString(s) <= most) { // as almost all are
		if whole > 2*len(s)+utf8.UTFMax {
			return strings.Clone(s)
		}
		return s
	}
	var b strings.Builder
	b.Grow(min(len(s), most*utf8.UTFMax))
	var pending, last rune // a joiner that waits for what comes after it
	n := 0
text:
	for i := 0; i < len(s) && n < most; {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
			continue
		case breaks(r):
			r = ' '
		case refused(r):
			continue
		case joins(r):
			pending = r
			continue
		}
		if n == 0 && unicode.IsSpace(r) {
			continue // at the start
		}
		if pending != 0 && word(last) && word(r) {
			if n+1 == most {
				break text // not to join by a cut what the joiner keeps apart
			}
			b.WriteRune(pending)
			n++
		}
		pending, last = 0, r
		b.WriteRune(r)
		n++
	}
	return strings.TrimRightFunc(b.String(), unicode.IsSpace)
}

// plain says that s is of visible ASCII alone, as most names are.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Check says why s is no text, naming the character and where it is; nil if it
// is one. Length and emptiness are the caller's business.
func Check(s string) error {
	switch r, at := firstFault(s); {
	case at == 0:
		return nil
	case r == utf8.RuneError:
		return fmt.Errorf("character %d is not valid UTF-8", at)
	default:
		return fault(r, at)
	}
}

// firstFault returns the first character that makes s no text, and which it
// is, counted from 1; U+FFFD stands for a byte that is not UTF-8. 0: none.
func firstFault(s string) (r rune, at int) {
	if plain(s) {
		return 0, 0
	}
	var pending, last rune
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		at++
		switch {
		case r == utf8.RuneError && size == 1, refused(r):
			return r, at
		case pending != 0 && !word(r):
			return pending, at - 1
		case joins(r) && !word(last):
			return r, at
		case joins(r):
			pending = r
		default:
			pending = 0
		}
		last = r
	}
	if pending != 0 {
		return pending, at
	}
	return 0, 0
}

func fault(r rune, at int) error {
	what := "cannot be seen"
	switch {
	case r == 0:
		what = "NUL"
	case breaks(r):
		what = "a tab or line break"
	case unicode.IsControl(r):
		what = "a control character"
	case unicode.Is(unicode.Bidi_Control, r):
		what = "changes the reading direction"
	case unicode.Is(unicode.Noncharacter_Code_Point, r):
		what = "not a character"
	}
	return fmt.Errorf("character %d, %U, is not allowed (%s)", at, r, what)
}

// hostile says that r must not reach a table or a log as it is: what is
// refused, and the direction marks besides, which could reorder what we print
// around a text.
func hostile(r rune) bool { return refused(r) || mark(r) }

// Printable puts U+FFFD in place of whatever could move the cursor, recolour
// the terminal, reverse the reading direction or hide. It leaves one line.
func Printable(s string) string { return replace(s, hostile) }

// PrintableLines is [Printable] for a text of several lines, and for cells of a
// file: whatever [Check] accepts stays as it is, direction marks included.
func PrintableLines(s string) string {
	return replace(s, func(r rune) bool { return r != '\n' && r != '\t' && refused(r) })
}

func replace(s string, bad func(rune) bool) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// Escape writes what [Printable] replaces as JSON does, \u009b, but for tabs and
// line ends, so that a document that is printed stays the same document. It must
// be given whole lines of JSON, in which such characters are within strings, or
// text.
func Escape(b []byte) []byte {
	bad := func(r rune) bool { return r != '\n' && r != '\t' && hostile(r) }
	first := bytes.IndexFunc(b, bad)
	if first < 0 {
		return b
	}
	out := append(make([]byte, 0, len(b)+64), b[:first]...)
	for rest := b[first:]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case !bad(r):
			out = append(out, rest[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		rest = rest[size:]
	}
	return out
}
