package halotest

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// appendString appends s as a JSON string. It keeps UTF-8 unchanged, escapes
// only where JSON requires it, and writes U+FFFD for each byte that is not
// UTF-8.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), `\ufffd`...)
				from = i + 1
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			b = append(b, s[from:i]...)
			if c < ' ' {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				b = append(b, '\\', c)
			}
			from = i + 1
		}
		i++
	}
	return append(append(b, s[from:]...), '"')
}

// appendKey appends a comma, the key and a colon. The key needs no escapes.
func appendKey(b []byte, key string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

func appendText(b []byte, key, value string) []byte {
	return appendString(appendKey(b, key), value)
}

// appendSome appends the key and its value. It omits both if the value is
// empty, as Halo omits null.
func appendSome(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(b, key, value)
}

func appendInt(b []byte, key string, value int64) []byte {
	return strconv.AppendInt(appendKey(b, key), value, 10)
}

func appendBool(b []byte, key string, value bool) []byte {
	return strconv.AppendBool(appendKey(b, key), value)
}

// appendID appends an id, written in the given form.
func appendID(b []byte, id int64, form IDForm) []byte {
	switch form {
	case IDFloat:
		return append(strconv.AppendInt(b, id, 10), ".0"...)
	case IDString:
		return append(strconv.AppendInt(append(b, '"'), id, 10), '"')
	default:
		return strconv.AppendInt(b, id, 10)
	}
}

// appendTime appends a date as Halo writes it: in UTC without a zone, with up
// to seven fractional digits and no trailing zeros
// (Midtown-Technology-Group/halocli). An unknown date is either omitted or
// written as one of the dates that Halo uses for "none", depending on the
// client's id.
func appendTime(b []byte, key string, t time.Time, id int64) []byte {
	if t.IsZero() {
		none := [...]string{"", "1900-01-01T00:00:00", "1899-12-30T00:00:00", "0001-01-01T00:00:00"}
		return appendSome(b, key, none[uint64(id)%uint64(len(none))]) //nolint:gosec // any remainder will do
	}
	b = append(appendKey(b, key), '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.9999999")
	return append(b, '"')
}

// object returns a JSON object with the given keys and values.
func object(pairs ...string) []byte {
	b := []byte{'{'}
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, pairs[i]), ':')
		b = appendString(b, pairs[i+1])
	}
	return append(b, '}')
}
