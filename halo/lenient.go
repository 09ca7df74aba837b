package halo

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/halosync/halosync/internal/plaintext"
)

// Halo writes some values in several ways. The functions below take raw JSON,
// or nil for an object or array. They never fail: an unreadable value counts as
// absent, because one odd field must not invalidate a page.

const (
	// maxID is the greatest integer that JSON numbers represent exactly.
	maxID = 1 << 53
	// maxText bounds the length in runes of names and other strings.
	maxText = 1000
	// maxNumber bounds the length in bytes of a string that is parsed as a number or a
	// flag.
	maxNumber = 64
	// maxDigits is the maximum number of digits on the fast path. A number of
	// that length always fits in an int64.
	maxDigits = 15
)

// idOf reads an id, written as 12, 12.0 or "12". It returns 0 for anything outside the
// range 1 to 2^53.
func idOf(raw []byte) int64 {
	if v, ok := integerOf(raw); ok && v >= 1 {
		return v
	}
	return 0
}

// countOf reads a record_count, written as 12, 12.0 or "12". It returns
// unknownCount for anything else.
func countOf(raw []byte) int {
	if v, ok := integerOf(raw); ok && v >= 0 {
		return int(v)
	}
	return unknownCount
}

// integerOf reads a number or string that is a whole number within ±2^53.
func integerOf(raw []byte) (int64, bool) {
	if v, ok := digits(raw); ok {
		return v, true
	}
	if len(raw) > maxNumber {
		return 0, false
	}
	s := string(bytes.Trim(raw, "\" \t"))
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return v, v >= -maxID && v <= maxID
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v != math.Trunc(v) || math.Abs(v) > maxID {
		return 0, false
	}
	return int64(v), true
}

// digits is the fast path of integerOf. It accepts only a short sequence of digits.
func digits(raw []byte) (v int64, ok bool) {
	if len(raw) == 0 || len(raw) > maxDigits {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = 10*v + int64(c-'0')
	}
	return v, true
}

// flagOf returns true for the JSON value true, for a nonzero number, and for a
// string that holds either.
func flagOf(raw []byte) bool {
	if string(raw) == "false" || string(raw) == "true" {
		return raw[0] == 't'
	}
	if len(raw) > maxNumber {
		return false
	}
	s := string(bytes.Trim(raw, "\" \t"))
	v, err := strconv.ParseFloat(s, 64)
	return strings.EqualFold(s, "true") || err == nil && v != 0
}

// textOf returns a string, cleaned by [plaintext.Clean], or a number as it is
// written. It returns "" for anything else.
func textOf(raw []byte) string {
	switch {
	case len(raw) == 0:
		return ""
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return plaintext.Clean(string(raw), maxText)
	case raw[0] != '"':
		return ""
	case bytes.IndexByte(raw, '\\') < 0:
		return plaintext.Clean(string(raw[1:len(raw)-1]), maxText)
	}
	// Invalid bytes are removed first. Unquoting would turn them into U+FFFD,
	// as if Halo had sent that character.
	text, _ := jsontext.AppendUnquote(nil, bytes.ToValidUTF8(raw, nil)) // the error reports an unpaired surrogate, which becomes U+FFFD
	return plaintext.Clean(string(text), maxText)
}
