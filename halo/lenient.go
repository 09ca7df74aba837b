package halo

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Types of fields that Halo writes in several ways. None of them ever refuses
// a value: what cannot be read is "none", so that one odd field does not cost
// a page.

const (
	// maxID is the greatest integer that survives JSON's doubles.
	maxID = 1 << 53
	// maxText bounds names, in runes.
	maxText = 1000
)

// number is an id: 12, 12.0 or "12"; 0 for anything not in 1 to 2^53.
type number int64

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(b []byte) error {
	*n = 0
	if v, ok := integer(b); ok && v >= 1 {
		*n = number(v)
	}
	return nil
}

// count is a record_count: 12, 12.0 or "12"; unknownCount for anything else.
type count int

// UnmarshalJSON never fails.
func (c *count) UnmarshalJSON(b []byte) error {
	*c = unknownCount
	if v, ok := integer(b); ok && v >= 0 {
		*c = count(v)
	}
	return nil
}

// integer reads a JSON number or string that is a whole number within ±2^53.
func integer(b []byte) (int64, bool) {
	s := string(bytes.Trim(b, "\" \t"))
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return v, v >= -maxID && v <= maxID
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v != math.Trunc(v) || math.Abs(v) > maxID {
		return 0, false
	}
	return int64(v), true
}

// boolean is true, a number other than 0, or a string of one of these.
type boolean bool

// UnmarshalJSON never fails.
func (f *boolean) UnmarshalJSON(b []byte) error {
	s := string(bytes.Trim(b, "\" \t"))
	v, err := strconv.ParseFloat(s, 64)
	*f = boolean(strings.EqualFold(s, "true") || err == nil && v != 0)
	return nil
}

// text is a string fit for Postgres and for people, or a number as it is
// written; anything else is empty.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) == 0:
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(clean(string(b)))
	case b[0] == '"' && bytes.IndexByte(b, '\\') < 0:
		*t = text(clean(string(bytes.Trim(b, `"`))))
	case b[0] == '"':
		var s string
		if json.Unmarshal(bytes.ToValidUTF8(b, nil), &s) == nil {
			*t = text(clean(s))
		}
	}
	return nil
}

// clean drops what is not UTF-8 and C0 control characters (Postgres refuses
// NUL), turns tabs and line breaks into blanks, trims blanks and cuts at
// maxText runes.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "")
	if strings.IndexFunc(s, isControl) >= 0 {
		s = strings.Map(func(r rune) rune {
			switch {
			case r == '\t' || r == '\n' || r == '\r':
				return ' ' // it stood between two words
			case isControl(r):
				return -1
			}
			return r
		}, s)
	}
	s = strings.TrimSpace(s)
	if len(s) <= maxText || utf8.RuneCountInString(s) <= maxText {
		return s
	}
	runes := 0
	for i := range s {
		if runes == maxText {
			return strings.TrimSpace(s[:i])
		}
		runes++
	}
	return s
}

// isControl says whether r is one of the C0 control characters or DEL.
func isControl(r rune) bool { return r < ' ' || r == 0x7f }
