package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// placeholder is what a String shows instead of its text.
const placeholder = "[secret]"

// String is a string that prints as "[secret]" under every verb of fmt, and in JSON,
// zap and slog. The zero value is empty but prints the same, so that a log does not
// reveal whether a secret is set. Compare with [String.Equal], because == compares
// identity.
type String struct {
	// text is a pointer, because fmt cannot call methods on the unexported fields of
	// other structs. It prints the pointer's address, not the text.
	text *string
}

// NewString wraps text.
func NewString(text string) String { return String{&text} }

// Reveal returns the text. Reviewers should check every call.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.Reveal() == "" }

// Equal compares two strings in a time that depends only on their lengths.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements [fmt.Formatter]: every verb and flag gives "[secret]".
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// String implements [fmt.Stringer] with "[secret]".
func (s String) String() string { return placeholder }

// MarshalText returns "[secret]". JSON, zap and XML use it.
func (s String) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// UnmarshalText stores the text unchanged. Flags, the environment and JSON use it.
func (s *String) UnmarshalText(text []byte) error {
	*s = NewString(string(text))
	return nil
}

// LogValue implements [slog.LogValuer] with "[secret]".
func (s String) LogValue() slog.Value { return slog.StringValue(placeholder) }
