package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// placeholder is what a String prints instead of its text.
const placeholder = "[secret]"

// String is a string that prints as "[secret]" with every verb of fmt, and in JSON, zap
// and slog. The zero value is empty but prints the same, so that a log does not reveal
// whether a secret is set. Compare strings with [String.Equal], because == compares
// pointers.
type String struct {
	// text is a pointer, because fmt cannot call methods on unexported fields of other
	// structs. In that case, fmt prints the pointer's address instead of the text.
	text *string
}

// NewString wraps text.
func NewString(text string) String { return String{&text} }

// Reveal returns the text. Reviewers should check every call of Reveal.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether two strings are equal. Its running time depends only on the
// lengths.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements [fmt.Formatter] and prints "[secret]" for every verb and flag.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// String implements [fmt.Stringer] and returns "[secret]".
func (s String) String() string { return placeholder }

// MarshalText returns "[secret]". It is used by JSON, zap and XML.
func (s String) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// UnmarshalText stores the text unchanged. It is used by flags, the environment and
// JSON.
func (s *String) UnmarshalText(text []byte) error {
	*s = NewString(string(text))
	return nil
}

// LogValue implements [slog.LogValuer] and returns "[secret]".
func (s String) LogValue() slog.Value { return slog.StringValue(placeholder) }
