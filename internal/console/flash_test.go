package console

import (
	"encoding/base64"
	"strings"
	"testing"
)

// A forged message is shown as plain text without its link.
func TestForgedMessages(t *testing.T) {
	t.Parallel()
	encoded := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for value, want := range map[string]string{
		"": "", "%%%": "", "e30": "", // {}
		encoded(`{"t":"hello","l":"//evil.example","k":"<b>"}`): "hello|warn|",
		encoded(`{"t":"hello","l":"/runs"}`):                    "hello||/runs",
		encoded(`{"t":"hello","l":"javascript:alert(1)"}`):      "hello||",
		encoded(`{"t":"x","u":[` + strings.Repeat(`"0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172",`, 60) + `"0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172"]}`): "",
	} {
		got := ""
		if f := readFlash(value); f != nil {
			got = f.Text + "|" + f.Kind + "|" + f.Link
		}
		if got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

// FuzzReadFlash decodes arbitrary cookies.
func FuzzReadFlash(f *testing.F) {
	f.Add([]byte(`{"t":"hello","l":"/runs","g":"Watch","k":"warn","u":["0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172"]}`))
	f.Add([]byte(`{"t":"hello","l":"/\\\\evil.example"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := readFlash(base64.RawURLEncoding.EncodeToString(text))
		if got == nil {
			return
		}
		if got.Text == "" || len(got.Undo) > flashUndo || got.Kind != "" && got.Kind != "warn" {
			t.Errorf("%q: %+v", text, got)
		}
		if got.Link != "" && (got.Link[0] != '/' || strings.HasPrefix(got.Link, "//") || strings.ContainsAny(got.Link[:2], `\\`)) {
			t.Errorf("%q leads to %q", text, got.Link)
		}
	})
}
