// Package plaintext defines which characters external text may contain, and makes text
// safe to display. The same policy applies to all names and notes. [Clean] is for text
// from Halo, which cannot correct rejected text. [Check] is for text from people.
// [Printable], [Escape] and similar functions are for all displayed text, because a
// database may contain text that is older than the policy.
//
// The policy refuses control characters (C0, DEL, C1) and line and paragraph
// separators. It refuses characters that embed, override or isolate a reading direction
// (U+202A to U+202E, U+2066 to U+2069). It also refuses invisible characters
// (zero-width spaces, byte order marks, tags, fillers, soft hyphens) and noncharacters.
//
// The policy keeps joiners (U+200C, U+200D) within emoji and within words of the
// scripts that need them. Elsewhere, joiners would only make identical-looking names
// differ. The policy keeps the marks U+200E, U+200F and U+061C, because Hebrew and
// Arabic names with Latin parts need them and they affect only adjacent characters. It
// also keeps variation selectors, because Japanese names need them.
//
// [Count] and [Plural] write numbers for people.
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

// mark reports whether r is a mark that affects the reading direction of adjacent
// characters.
func mark(r rune) bool { return r == '\u200e' || r == '\u200f' || r == '\u061c' }

func joins(r rune) bool { return r == joiner || r == nonJoiner }

// breaks reports whether r is a tab or ends a line.
func breaks(r rune) bool {
	return r >= '\t' && r <= '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// refused reports whether r is refused everywhere. It excludes joiners, because whether
// they are allowed depends on the adjacent characters.
func refused(r rune) bool {
	switch {
	case r >= ' ' && r < 0x7f:
		return false
	case r < 0x034f: // fast path for Latin letters and accents, where only controls and the soft hyphen are refused
		return r < 0xa0 || r == 0xad
	case unicode.IsControl(r), breaks(r):
		return true
	case joins(r), mark(r), unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

// word reports whether r may be adjacent to a joiner. It must be a letter, a mark or a
// symbol outside the European scripts, because no European script uses joiners.
func word(r rune) bool {
	return r >= 0x0590 && !joins(r) && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsSymbol(r))
}

// Clean returns s as a string that [Check] accepts. It replaces line breaks and tabs
// with spaces, drops refused characters and invalid UTF-8, trims surrounding spaces,
// and truncates the result to limit characters. Cleaning a result again changes
// nothing. If s is much longer than the result, they share no memory.
func Clean(s string, limit int) string {
	whole := len(s)
	s = strings.TrimSpace(s)
	if _, at := firstFault(s); at == 0 && (len(s) <= limit || utf8.RuneCountInString(s) <= limit) { // the usual case
		if whole > 2*len(s)+utf8.UTFMax {
			return strings.Clone(s)
		}
		return s
	}
	var b strings.Builder
	b.Grow(min(len(s), limit*utf8.UTFMax))
	var pending, last rune // pending is a joiner whose next character is not known yet
	n := 0
text:
	for i := 0; i < len(s) && n < limit; {
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
			continue // skip spaces at the start
		}
		if pending != 0 && word(last) && word(r) {
			if n+1 == limit {
				break text // do not cut between a joiner and the character after it
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

// plain reports whether s consists only of visible ASCII characters, as most names do.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Check returns an error that names the first character that is not allowed in s, and
// its position. If all characters are allowed, it returns nil. It does not check the
// length of s.
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

// firstFault returns the first character that is not allowed in s, and its position
// counted from 1. If the character is U+FFFD, the byte is not valid UTF-8. If the
// position is 0, s has no fault.
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

// hostile reports whether r must not be printed to a table or a log. This applies to
// refused characters and to direction marks, which could reorder adjacent text.
func hostile(r rune) bool { return refused(r) || mark(r) }

// Printable replaces every character that could move the cursor, recolour the terminal,
// reverse the reading direction or be invisible. The replacement is U+FFFD, and the
// result is one line.
func Printable(s string) string { return replace(s, hostile) }

// PrintableLines is like [Printable], but for text with several lines and for cells of
// a file. It keeps every character that [Check] accepts, including direction marks.
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

// Escape replaces the characters that [Printable] replaces with JSON escapes, such as
// \u009b. It keeps tabs and line ends, so that a printed document does not change. b
// must be text or complete lines of JSON, in which these characters occur only within
// strings.
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
