package halo

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// row is a client that is being read.
type row struct {
	Client
	group string // TopLevelName of the previous row; most rows have the same one
}

// rowBytes is the size in bytes of a [Client] without its texts.
const rowBytes = 88

// bytes returns the number of bytes that the client occupies in memory. Rows share the name
// of their group.
func (r *row) bytes() int {
	n := rowBytes + len(r.Name) + len(r.Ref) + len(r.AccountsID)
	if r.TopLevelName != r.group {
		n += len(r.TopLevelName)
	}
	return n
}

// clear prepares the row for the next client.
func (r *row) clear() { *r = row{group: r.TopLevelName} }

// fields lists the keys that are needed. All others are skipped. If a key
// occurs twice, the last value counts.
var fields = []struct {
	name []byte
	set  func(r *row, value []byte)
}{
	{[]byte("id"), func(r *row, v []byte) { r.ID = idOf(v) }},
	{[]byte("name"), func(r *row, v []byte) { r.Name = textOf(v) }},
	{[]byte("inactive"), func(r *row, v []byte) { r.Inactive = flagOf(v) }},
	{[]byte("toplevel_id"), func(r *row, v []byte) { r.TopLevelID = idOf(v) }},
	{[]byte("toplevel_name"), func(r *row, v []byte) {
		if r.TopLevelName = r.group; !writes(v, r.group) {
			r.TopLevelName = textOf(v)
		}
	}},
	{[]byte("ref"), func(r *row, v []byte) { r.Ref = textOf(v) }},
	{[]byte("accountsid"), func(r *row, v []byte) { r.AccountsID = textOf(v) }},
}

// setter returns the function that stores the value of a key. It returns nil
// for a key that is not needed.
func setter(raw []byte) func(*row, []byte) {
	if strings.IndexByte(initials, raw[1]) < 0 {
		return nil
	}
	key := keyOf(raw)
	for i := range fields {
		if f := &fields[i]; bytes.EqualFold(f.name, key) {
			return f.set
		}
	}
	return nil
}

// initials holds the possible first bytes of needed keys. Most other keys are
// skipped by their first byte. Case folding maps no other character to these
// letters.
const initials = `iIntNTrRaA\`

// reports whether a raw key equals name, regardless of case.
func named(raw []byte, name string) bool { return bytes.EqualFold(keyOf(raw), []byte(name)) }

// keyOf returns a key without its quotes. It returns nil for an escaped key
// that is too long to be a needed one.
func keyOf(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	if len(raw) > maxKey {
		return nil
	}
	key, _ := jsontext.AppendUnquote(nil, raw) // none of the needed keys has invalid UTF-8
	return key
}

// maxKey is the length of the longest needed key of a row or a token answer,
// with every letter escaped.
const maxKey = len(`""`) + len(`\u0074`)*len("toplevel_name")

// writes reports whether raw is the JSON string for text without escapes.
func writes(raw []byte, text string) bool {
	return len(raw) == len(text)+2 && raw[0] == '"' && string(raw[1:len(raw)-1]) == text && bytes.IndexByte(raw, '\\') < 0
}
