package secret

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzParse checks that Parse never panics, and that every accepted key set can seal
// and open.
func FuzzParse(f *testing.F) {
	text := newText(f)
	f.Add(text)
	f.Add("hsk1:")
	f.Add("hsk1:CAESAA")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Parse(text)
		if err != nil {
			return
		}
		sealed, err := k.Seal(NewString(plain), "a")
		if err != nil {
			t.Fatalf("seal: %v", err)
		}
		if got, err := k.Open(sealed, "a"); err != nil || got.Reveal() != plain {
			t.Fatalf("open: %v", err)
		}
		if !k.SealedByPrimary(sealed) {
			t.Fatal("not sealed by the primary key")
		}
	})
}

// FuzzOpen checks that only sealed values can be opened.
func FuzzOpen(f *testing.F) {
	k := testKeyset(f)
	sealed := seal(f, k, "acme")
	f.Add(sealed, "acme")
	f.Add(sealed[:7], "acme")
	f.Add(k.PrimaryPrefix(), "")
	f.Fuzz(func(t *testing.T, b []byte, tenant string) {
		_, err := k.Open(b, tenant)
		if err == nil && (!bytes.Equal(b, sealed) || tenant != "acme") {
			t.Fatal("a forgery opened")
		}
		if err != nil && !errors.Is(err, ErrOpen) {
			t.Fatalf("error %v", err)
		}
	})
}
