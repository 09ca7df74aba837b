package halo

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"nothing", "", ""},
		{"blanks", " \r\n", ""},
		{".NET exception", `{"ClassName":"System.Exception","Message":"No such view","Data":null,"HResult":-2146233088}`, "No such view"},
		{"binding", `{"id":["The value 'probe' is not valid."],"[0].a":["x","y"]}`, "[0].a: x y; id: The value 'probe' is not valid."},
		{"bare string", `"Rate Limit Reached"`, "Rate Limit Reached"},
		{"OAuth", `{"error":"invalid_client","error_description":"unknown"}`, "invalid_client: unknown"},
		{"result code", `{"resultCode":5,"errorMessage":"bad"}`, "bad"},
		{"both spellings", `{"Message":"bad","message":"bad"}`, "bad"},
		{"object without message", `{"a":1}`, ""},
		{"byte order mark", "\xef\xbb\xbf" + `"x"`, "x"},
		{"HTML", "<html><head><TITLE>\n502 Bad &amp; Gateway</TITLE></head><body>long</body></html>", "\n502 Bad & Gateway"},
		{"HTML without title", "<html><body>x</body></html>", ""},
		{"text", "upstream timed out", "upstream timed out"},
		{"broken JSON", `{"Message":"cut of`, `{"Message":"cut of`},
	}
	for _, tt := range tests {
		if got := message([]byte(tt.body)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	a := newAPI(t, valid())
	quoted, err := json.Marshal(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"plain":           "secret " + testSecret + " is wrong",
		"form":            "client_id=app&client_secret=" + url.QueryEscape(testSecret) + "&x=1",
		"JSON":            string(quoted),
		"HTML":            html.EscapeString(testSecret),
		"control inside":  "s3cret\x00&more/än",
		"at the cut":      strings.Repeat("x", maxExcerpt-5) + testSecret,
		"token":           "Authorization: Bearer " + testToken,
		"other bearer":    "bearer abc.def-s3cret",
		"JWT":             "got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzM2NyZXQifQ.c2lnbmF0dXJl!",
		"unknown in form": "access_token=s3cret-of-others",
	}
	for name, text := range texts {
		got := a.scrub(text, testToken)
		for _, bad := range []string{"s3cret", testToken, "eyJ"} {
			if strings.Contains(got, bad) {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	if got := a.scrub("  a\tb\r\n\x07c\u2028d\xff ", ""); got != "a b c d" {
		t.Errorf("one line: %q", got)
	}
	if got := a.scrub(strings.Repeat("ä", 400), ""); len(got) > maxExcerpt || !strings.HasSuffix(got, "ä…") {
		t.Errorf("cut: %d bytes, %q", len(got), got)
	}
}

// A secret of a few letters would match in every text.
func TestScrubLeavesShortSecrets(t *testing.T) {
	t.Parallel()
	cfg := valid()
	cfg.ClientSecret = "a"
	if got := newAPI(t, cfg).scrub("Bad Gateway", ""); got != "Bad Gateway" {
		t.Errorf("%q", got)
	}
}

func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		"", `"x"`, `{"Message":"x"}`, `{"id":["x"]}`, "<title>x</title>", "<title", "{", "\xff\xfe", `{"Message":{"a":1}}`,
		`{"error":"` + testSecret + `"}`, testToken, `{"Message":"\u0073\u0033cret&more/än"}`,
	} {
		f.Add([]byte(seed))
	}
	a := newAPI(f, valid())
	f.Fuzz(func(t *testing.T, body []byte) {
		got := a.scrub(message(body), testToken)
		if len(got) > maxExcerpt || !utf8.ValidString(got) || plaintext.Printable(got) != got {
			t.Errorf("excerpt %q", got)
		}
		if strings.Contains(got, testSecret) || strings.Contains(got, testToken) {
			t.Errorf("excerpt %q shows a secret", got)
		}
	})
}
