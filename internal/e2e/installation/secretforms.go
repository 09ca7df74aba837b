package halosync_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// haystackWindow is the length of the shortest needle.
const haystackWindow = 8

// needle is one form of a text that must not be anywhere.
type needle struct {
	of, form string // what it is, without the text
	text     string
}

// needles finds many texts in one pass: a filter of the first eight bytes, then
// a comparison.
type needles struct {
	filter [1 << 14]uint64 // a bit for each hash of 20 bits
	by     map[uint64][]needle
	n      int
}

func windowHash(w uint64) uint64 { return (w * 0x9E3779B97F4A7C15) >> 44 }

// add takes a text in all its forms.
func (s *needles) add(of, text string) {
	if s.by == nil {
		s.by = make(map[uint64][]needle)
	}
	forms := formsOf(text)
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		text := forms[form]
		if len(text) < haystackWindow {
			continue
		}
		var w uint64
		for i := range haystackWindow {
			w = w<<8 | uint64(text[i])
		}
		n := needle{of, form, text}
		if slices.ContainsFunc(s.by[w], func(o needle) bool { return o.of == of && o.text == text }) {
			continue // several forms are the same for plain characters
		}
		s.by[w] = append(s.by[w], n)
		h := windowHash(w)
		s.filter[h>>6] |= 1 << (h & 63)
		s.n++
	}
}

// find returns which needles are in a text, each once.
func (s *needles) find(text string) (found []needle) {
	var w uint64
	for i := range len(text) {
		w = w<<8 | uint64(text[i])
		h := windowHash(w)
		if i < haystackWindow-1 || s.filter[h>>6]>>(h&63)&1 == 0 {
			continue
		}
		for _, n := range s.by[w] {
			if strings.HasPrefix(text[i-haystackWindow+1:], n.text) && !slices.Contains(found, n) {
				found = append(found, n)
			}
		}
	}
	return found
}

// formsOf are the ways in which a text hides.
func formsOf(text string) map[string]string {
	var numbers, percent []string
	for _, b := range []byte(text) {
		numbers = append(numbers, strconv.Itoa(int(b)))
		percent = append(percent, fmt.Sprintf("%%%02x", b))
	}
	quoted, _ := json.Marshal(text)
	inner := unquoted(string(quoted))
	twice, _ := json.Marshal(inner)
	hexed := hex.EncodeToString([]byte(text))
	forms := map[string]string{
		"plain": text, "in a URL's query": url.QueryEscape(text), "in a URL's path": url.PathEscape(text),
		"percent": strings.Join(percent, ""), "PERCENT": strings.ToUpper(strings.Join(percent, "")),
		"JSON": inner, "JSON in JSON": unquoted(string(twice)), "Go": unquoted(strconv.Quote(text)), "Go in ASCII": unquoted(strconv.QuoteToASCII(text)),
		"HTML": html.EscapeString(text), "a row": strings.ReplaceAll(text, `"`, `""`),
		"hex": hexed, "HEX": strings.ToUpper(hexed), "numbers": strings.Join(numbers, " "), "numbers in JSON": strings.Join(numbers, ","),
	}
	for offset := range 3 {
		std := alignedBase64(text, offset)
		forms[fmt.Sprint("base64 at ", offset)] = std
		forms[fmt.Sprint("URL's base64 at ", offset)] = strings.NewReplacer("+", "-", "/", "_").Replace(std)
	}
	return forms
}

func unquoted(text string) string { return text[1 : len(text)-1] }

// alignedBase64 is the part of a longer text's base64 that depends on text
// alone, if text begins there offset bytes after a multiple of three.
func alignedBase64(text string, offset int) string {
	padded := append(make([]byte, offset), text...)
	encoded := base64.RawStdEncoding.EncodeToString(padded)
	from, to := (offset*8+5)/6, len(padded)*8/6
	if to <= from {
		return ""
	}
	return encoded[from:to]
}

// What is hidden is found, in whatever is around it; what is not, is not.
func TestNeedles(t *testing.T) {
	t.Parallel()
	const text = `s3cret/of+mine & "yours" é`
	var s needles
	s.add("it", text)
	for form, hidden := range formsOf(text) {
		if found := s.find("some text " + hidden + " and more"); len(found) == 0 {
			t.Errorf("%s: not found", form)
		}
	}
	for before := range 7 {
		around := strings.Repeat("x", before) + text + "yz"
		for name, encoded := range map[string]string{
			"base64": base64.StdEncoding.EncodeToString([]byte(around)), "URL's base64": base64.RawURLEncoding.EncodeToString([]byte(around)),
			"hex": hex.EncodeToString([]byte(around)), "bytes": fmt.Sprintf("%v", []byte(around)), "URL": url.QueryEscape(around), "%q": fmt.Sprintf("%q", around),
		} {
			if len(s.find(encoded)) == 0 {
				t.Errorf("%s after %d bytes: not found", name, before)
			}
			if len(s.find(encoded[:len(encoded)/2])) != 0 {
				t.Errorf("%s after %d bytes: found in a half", name, before)
			}
		}
	}
	if found := s.find(strings.Repeat("nothing to be found here; ", 1000)); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}

// keysIn are the AES keys in a key set's text.
func keysIn(t testing.TB, keyset string) (keys []string) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(keyset), "hsk1:"))
	if err != nil {
		t.Fatal(err)
	}
	const kind = "google.crypto.tink.AesGcmKey"
	for {
		_, after, ok := bytes.Cut(raw, []byte(kind))
		if !ok {
			break
		}
		raw = after
		_, key, ok := bytes.Cut(after, []byte{0x1a, 32}) // field 3, 32 bytes
		if !ok || len(key) < 32 {
			t.Fatal("a key set of another form")
		}
		keys = append(keys, string(key[:32]))
	}
	if len(keys) == 0 {
		t.Fatal("a key set without keys")
	}
	return keys
}
