package repo

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
)

// checkText returns an [*InvalidError] if s cannot be stored as text that people see.
// It must have minLen to maxLen characters, and [plaintext.Check] must accept all of
// them.
func checkText(what, s string, minLen, maxLen int) error {
	if reason := unstorable(s, minLen, maxLen); reason != "" {
		return &InvalidError{What: what, Reason: reason}
	}
	if err := plaintext.Check(s); err != nil {
		return &InvalidError{What: what, Reason: "has a character that is not allowed: " + err.Error()}
	}
	return nil
}

// unstorable returns the reason why Postgres and the schema cannot hold a string, or ""
// if they can. The string must be valid UTF-8 without NUL and have minLen to maxLen
// characters.
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

// maxNorm is the maximum length of a normalised name in characters. A normalised name may
// be longer than the original, because normalisation expands some characters to eighteen.
const maxNorm = 100_000

// maxNote is the maximum length of free text in bytes: reasons, errors and actors.
const maxNote = 4000

// note changes free text so that it can be stored. It never refuses text, because a run
// must be able to end regardless of what its error says.
func note(s string) string {
	if len(s) > maxNote {
		s = s[:maxNote] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
