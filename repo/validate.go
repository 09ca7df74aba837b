package repo

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
)

// checkText returns an [*InvalidError] unless a text that people see can be stored:
// it has minLen to maxLen characters that [plaintext.Check] accepts.
func checkText(what, s string, minLen, maxLen int) error {
	if reason := unstorable(s, minLen, maxLen); reason != "" {
		return &InvalidError{What: what, Reason: reason}
	}
	if err := plaintext.Check(s); err != nil {
		return &InvalidError{What: what, Reason: "has a character that is not allowed: " + err.Error()}
	}
	return nil
}

// unstorable returns why Postgres and the schema cannot hold a text; empty if they
// can. It must be valid UTF-8 without NUL, of minLen to maxLen characters.
func unstorable(s string, minLen, maxLen int) string {
	switch n := utf8.RuneCountInString(s); {
	case strings.ContainsRune(s, 0):
		return "contains a NUL character"
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case n < minLen && n == 0:
		return "is empty"
	case n < minLen:
		return fmt.Sprintf("is shorter than %d characters", minLen)
	case n > maxLen:
		return fmt.Sprintf("is longer than %d characters", maxLen)
	}
	return ""
}

// maxNorm is the maximum length of a normalised name, which may be longer than the
// name: some characters unfold to eighteen.
const maxNorm = 100_000

// maxNote is the maximum length of free text in bytes: reasons, errors, actors.
const maxNote = 4000

// note makes free text storable instead of refusing it: it must be possible to end a
// run whatever its error says.
func note(s string) string {
	if len(s) > maxNote {
		s = s[:maxNote] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
