package repo

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
)

// checkText says whether a text that people see may be stored: of characters
// that [plaintext.Check] accepts, least to most of them.
func checkText(what, s string, least, most int) error {
	if reason := unstorable(s, least, most); reason != "" {
		return &InvalidError{What: what, Reason: reason}
	}
	if err := plaintext.Check(s); err != nil {
		return &InvalidError{What: what, Reason: "has a character that no text may have: " + err.Error()}
	}
	return nil
}

// unstorable says why Postgres and the schema cannot hold a text: it must be
// valid UTF-8 without NUL, of least to most characters. Empty: they can.
func unstorable(s string, least, most int) string {
	switch n := utf8.RuneCountInString(s); {
	case strings.ContainsRune(s, 0):
		return "contains a NUL character"
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case n < least && n == 0:
		return "is empty"
	case n < least:
		return fmt.Sprintf("is shorter than %d characters", least)
	case n > most:
		return fmt.Sprintf("is longer than %d characters", most)
	}
	return ""
}

// maxNorm bounds a normalised name, which may be longer than the name: some
// characters unfold to eighteen.
const maxNorm = 100_000

// maxNote bounds free text: reasons, errors, actors.
const maxNote = 4000

// note makes free text storable rather than refusing it: a run must be
// closable whatever its error says.
func note(s string) string {
	if len(s) > maxNote {
		s = s[:maxNote] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
