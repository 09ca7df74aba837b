package queuemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/halosync/halosync/internal/plaintext"
)

const (
	// mostShown bounds what is shown of a payload or result, in bytes. A list has
	// up to a hundred of them.
	mostShown = 2_000
	// mostItems and mostText bound a list and a text in what is longer.
	mostItems = 10
	mostText  = 200
)

// format is how a task's payload or result is shown: as the JSON that it is,
// which the page sets out in lines, with long lists and texts cut. There are no
// secrets in it by the contract of package tasks.
func format(_ string, raw []byte) string {
	if len(raw) <= mostShown && !bytes.Contains(raw, []byte(`\u`)) {
		return plaintext.Printable(strings.ToValidUTF8(string(raw), "\uFFFD"))
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return cut(string(raw), mostShown)
	}
	short, err := json.Marshal(shorten(v))
	if err != nil {
		return cut(string(raw), mostShown)
	}
	return cut(string(short), mostShown)
}

// shorten cuts lists and texts, and takes from texts what could hide or reorder
// what is beside them.
func shorten(v any) any {
	switch v := v.(type) {
	case string:
		return cut(v, mostText)
	case []any:
		rest := len(v) - mostItems
		if rest > 0 {
			v = v[:mostItems]
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

// cut bounds a text, in bytes, and makes it printable.
func cut(s string, most int) string {
	rest := len(s) - most
	if rest <= 0 {
		return plaintext.Printable(strings.ToValidUTF8(s, "\uFFFD"))
	}
	return plaintext.Printable(strings.ToValidUTF8(s[:most], "")) + fmt.Sprintf("… (%d bytes more)", rest)
}
