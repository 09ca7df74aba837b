package console

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/access"
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

// No page shows the message of a cookie that this session did not set. A
// neighbouring host, or another session of the same browser, can set such a
// cookie.
func TestMessagesOfOthers(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"t":"Call 0900 123 to unlock your account","l":"/runs"}`))
	for name, value := range map[string]string{
		"unsigned": text, "badly signed": text + ".AAAA", "without a text": "." + s.who.Sign(""),
		"signed for another use": text + "." + s.who.Sign(text),
	} {
		s.cookies[flashCookie] = value
		s.get("/companies").wants(http.StatusOK).lacks("0900")
		if _, kept := s.cookies[flashCookie]; kept {
			t.Errorf("%s: the cookie is still there", name)
		}
		r := httptest.NewRequest(http.MethodGet, "/signin", nil)
		r.AddCookie(&http.Cookie{Name: flashCookie, Value: value})
		w := httptest.NewRecorder()
		if s.console.SignInPage(w, r, http.StatusOK, "", "/"); strings.Contains(w.Body.String(), "0900") {
			t.Errorf("%s: on the sign-in page", name)
		}
	}
	s.cookies[flashCookie] = text + "." + s.who.Sign(flashCookie+text)
	s.get("/companies").wants(http.StatusOK, "0900")
}

// The message cookie needs TLS in the same cases as the session cookie.
func TestMessageCookie(t *testing.T) {
	t.Parallel()
	for url, name := range map[string]string{"": flashCookie, "http://localhost:8080": flashCookie, "https://halosync.example": "__Host-" + flashCookie} {
		r := &request{Request: httptest.NewRequest(http.MethodPost, "/", nil), c: &Console{site: access.Site{PublicURL: url}}, w: httptest.NewRecorder()}
		r.Session = true
		r.setFlash(&flash{Text: strings.Repeat("x", flashText)})
		set, err := http.ParseSetCookie(r.w.Header().Get("Set-Cookie"))
		if err != nil || set.Name != name || set.Secure != (name != flashCookie) || !set.HttpOnly || set.SameSite != http.SameSiteLaxMode {
			t.Errorf("%q: %+v, %v", url, set, err)
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
