package halo

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/halosync/halosync/internal/plaintext"
)

// Types of fields that Halo writes in several ways. None of them ever refuses
// a value: what cannot be read is "none", so that one odd field does not cost
// a page.

const (
	// maxID is the greatest integer that survives JSON's doubles.
	maxID = 1 << 53
	// maxText bounds names, in runes.
	maxText = 1000
	// maxNumber bounds what is looked at as a number or a flag, in bytes.
	maxNumber = 64
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
	if len(b) > maxNumber {
		return 0, false
	}
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
	if *f = false; len(b) > maxNumber {
		return nil
	}
	s := string(bytes.Trim(b, "\" \t"))
	v, err := strconv.ParseFloat(s, 64)
	*f = boolean(strings.EqualFold(s, "true") || err == nil && v != 0)
	return nil
}

// text is a string, cleaned as [plaintext.Clean] does, or a number as it is
// written; anything else is empty.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) == 0:
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(plaintext.Clean(string(b), maxText))
	case b[0] == '"' && bytes.IndexByte(b, '\\') < 0:
		*t = text(plaintext.Clean(string(bytes.Trim(b, `"`)), maxText))
	case b[0] == '"':
		var s string
		if json.Unmarshal(bytes.ToValidUTF8(b, nil), &s) == nil {
			*t = text(plaintext.Clean(s, maxText))
		}
	}
	return nil
}
