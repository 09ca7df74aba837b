package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// placeholder is what a String shows instead of its text.
const placeholder = "[secret]"

// String is a text that prints as "[secret]" under every verb of fmt, in
// JSON, zap and slog. The zero value is empty; it prints the same, so that a
// log does not tell whether a secret is set. Compare with [String.Equal]: ==
// compares identity.
type String struct {
	// A pointer, because fmt cannot call methods on the unexported fields of
	// other structs and prints what it finds there: an address, not the text.
	text *string
}

// NewString wraps text.
func NewString(text string) String { return String{&text} }

// Reveal returns the text. Reviews should look at every call.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.Reveal() == "" }

// Equal compares two texts in a time that depends only on their lengths.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements [fmt.Formatter]: every verb and flag gives "[secret]".
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// String implements [fmt.Stringer] with "[secret]".
func (s String) String() string { return placeholder }

// MarshalText returns "[secret]"; JSON, zap and XML use it, too.
func (s String) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// UnmarshalText takes the text as it is, for flags, environment and JSON.
func (s *String) UnmarshalText(text []byte) error {
	*s = NewString(string(text))
	return nil
}

// LogValue implements [slog.LogValuer] with "[secret]".
func (s String) LogValue() slog.Value { return slog.StringValue(placeholder) }
