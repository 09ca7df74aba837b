package halotest

import (
	"encoding/json"
	"testing"
)

// FuzzAppendString checks that any name is unchanged after it is written as
// JSON and read back.
func FuzzAppendString(f *testing.F) {
	for _, s := range hostileNames() {
		f.Add(s)
	}
	f.Add("\x00\x1f\x7f\u2028\xff\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		want := string([]rune(s)) // U+FFFD for each byte that is not UTF-8
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestAppendStringEscapesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`a"b\c`:      `"a\"b\\c"`,
		"\n\x00\x1f": `"\u000a\u0000\u001f"`,
		"<é&界😀>":     `"<é&界😀>"`,
		"a\xffb":     `"a\ufffdb"`,
		"":           `""`,
	} {
		if got := string(appendString(nil, in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
