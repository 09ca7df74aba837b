package installation

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

// window is the minimum length in bytes of a string to search for.
const window = 8

// SecretForm is one form of a secret that must not occur anywhere.
type SecretForm struct {
	Of, Form string // description of the secret and of its form; does not contain the secret itself
	text     string
}

// SecretForms searches for many strings in one pass. It filters by the first
// eight bytes and compares the rest only on a match.
type SecretForms struct {
	filter [1 << 14]uint64 // one bit for each 20-bit hash
	by     map[uint64][]SecretForm
	N      int // number of forms
}

func hash(w uint64) uint64 { return (w * 0x9E3779B97F4A7C15) >> 44 }

// Add adds a secret in all its forms.
func (s *SecretForms) Add(of, text string) {
	if s.by == nil {
		s.by = make(map[uint64][]SecretForm)
	}
	forms := formsOf(text)
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		text := forms[form]
		if len(text) < window {
			continue
		}
		var w uint64
		for i := range window {
			w = w<<8 | uint64(text[i])
		}
		n := SecretForm{of, form, text}
		if slices.ContainsFunc(s.by[w], func(o SecretForm) bool { return o.Of == of && o.text == text }) {
			continue // a plain string is the same in several forms
		}
		s.by[w] = append(s.by[w], n)
		h := hash(w)
		s.filter[h>>6] |= 1 << (h & 63)
		s.N++
	}
}

// Find returns the forms that occur in the given text, each only once.
func (s *SecretForms) Find(text string) (found []SecretForm) {
	var w uint64
	for i := range len(text) {
		w = w<<8 | uint64(text[i])
		h := hash(w)
		if i < window-1 || s.filter[h>>6]>>(h&63)&1 == 0 {
			continue
		}
		for _, n := range s.by[w] {
			if strings.HasPrefix(text[i-window+1:], n.text) && !slices.Contains(found, n) {
				found = append(found, n)
			}
		}
	}
	return found
}

// formsOf returns the encodings of a string, keyed by their names.
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

// alignedBase64 returns the base64 of text within a longer string, where text
// begins at the given offset modulo 3. It omits characters that depend on the
// surrounding bytes.
func alignedBase64(text string, offset int) string {
	padded := append(make([]byte, offset), text...)
	encoded := base64.RawStdEncoding.EncodeToString(padded)
	from, to := (offset*8+5)/6, len(padded)*8/6
	if to <= from {
		return ""
	}
	return encoded[from:to]
}

// keysIn returns the AES keys in the text of a key set.
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
			t.Fatal("the key set has an unexpected format")
		}
		keys = append(keys, string(key[:32]))
	}
	if len(keys) == 0 {
		t.Fatal("a key set without keys")
	}
	return keys
}
