package queuemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/halosync/halosync/internal/plaintext"
)

const (
	// maxShown is the maximum size in bytes of a displayed payload or result. A page lists
	// up to a hundred of them.
	maxShown = 2_000
	// maxItems and maxText bound the lists and strings in a longer payload or result.
	maxItems = 10
	maxText  = 200
)

// format formats a task's payload or result for asynqmon: as JSON, with long lists
// and strings cut. Package tasks guarantees that it contains no secrets.
func format(_ string, raw []byte) string {
	if len(raw) <= maxShown && !bytes.Contains(raw, []byte(`\u`)) {
		return plaintext.Printable(strings.ToValidUTF8(string(raw), "\uFFFD"))
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return cut(string(raw), maxShown)
	}
	short, err := json.Marshal(shorten(v))
	if err != nil {
		return cut(string(raw), maxShown)
	}
	return cut(string(short), maxShown)
}

// shorten cuts lists and strings, and makes strings printable.
func shorten(v any) any {
	switch v := v.(type) {
	case string:
		return cut(v, maxText)
	case []any:
		rest := len(v) - maxItems
		if rest > 0 {
			v = v[:maxItems]
		}
		for i := range v {
			v[i] = shorten(v[i])
		}
		if rest > 0 {
			v = append(v, fmt.Sprintf("… and %d more", rest))
		}
		return v
	case map[string]any:
		for name := range v {
			v[name] = shorten(v[name])
		}
	}
	return v
}

// cut cuts a string to maxBytes and makes it printable.
func cut(s string, maxBytes int) string {
	rest := len(s) - maxBytes
	if rest <= 0 {
		return plaintext.Printable(strings.ToValidUTF8(s, "\uFFFD"))
	}
	return plaintext.Printable(strings.ToValidUTF8(s[:maxBytes], "")) + fmt.Sprintf("… (%d bytes more)", rest)
}
