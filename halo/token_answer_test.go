package halo

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stating returns a token answer whose expires_in is written as raw.
func stating(raw string) string {
	return `{"access_token":"tok-%d","token_type":"Bearer","expires_in":` + raw + `}`
}

// A token answer is read as leniently as a row. The token is used until the end of its
// lifetime, if the lifetime is readable. Whatever its lifetime, a token serves more than
// one request.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	const hour, unread, shortest, longest = 59 * time.Minute, 49 * time.Minute, 54 * time.Second, 24*time.Hour - time.Minute
	tests := []struct {
		name, body string
		life       time.Duration // until the token is replaced
	}{
		{"a whole double", stating("3600.0"), hour},
		{"a fraction", stating("3599.7"), hour - 300*time.Millisecond},
		{"a double as text", stating(`"3600.0"`), hour},
		{"a fraction as text", stating(`"3599.7"`), hour - 300*time.Millisecond},
		{"an exponent", stating("3.6e3"), hour},
		{"a signed exponent", stating("36E+2"), hour},
		{"an exponent as text", stating(`"3.6e3"`), hour},
		{"text with spaces", stating(`" 3600\t"`), hour},
		{"text with a sign", stating(`"+3600"`), hour},
		{"escaped digits", stating(`"\u0033600"`), hour},

		{"empty text", stating(`""`), unread},
		{"a space", stating(`" "`), unread},
		{"null", stating("null"), unread},
		{"true", stating("true"), unread},
		{"false", stating("false"), unread},
		{"a word", stating(`"soon"`), unread},
		{"a time span", stating(`"01:00:00"`), unread},
		{"a decimal comma", stating(`"3600,0"`), unread},
		{"a unit", stating(`"3600s"`), unread},
		{"NaN", stating(`"NaN"`), unread},
		{"minus infinity", stating(`"-Infinity"`), unread},
		{"an array", stating("[3600]"), unread},
		{"an object", stating(`{"seconds":3600}`), unread},
		{"endless digits", stating(`"` + strings.Repeat("9", 100) + `"`), unread},

		{"zero", stating("0"), unread},
		{"zero as text", stating(`"0"`), unread},
		{"minus zero", stating("-0.0"), unread},
		{"minus one", stating("-1"), unread},
		{"minus one as text", stating(`"-1"`), unread},
		{"most negative", stating("-9223372036854775808"), unread},
		{"a second", stating("1"), shortest},
		{"a millisecond", stating("0.001"), shortest},
		{"milliseconds of a month", stating("2592000000"), longest},
		{"greatest int64", stating("9223372036854775807"), longest},
		{"greatest int64 as text", stating(`"9223372036854775807"`), longest},
		{"beyond a double", stating("1e400"), longest},
		{"infinity", stating(`"Infinity"`), longest},

		{"type in lower case", `{"access_token":"tok-%d","token_type":"bearer","expires_in":3600}`, hour},
		{"type in upper case", `{"access_token":"tok-%d","token_type":"BEARER","expires_in":3600}`, hour},
		{"type is null", `{"access_token":"tok-%d","token_type":null,"expires_in":3600}`, hour},
		{"type is a number", `{"access_token":"tok-%d","token_type":1,"expires_in":3600}`, hour},
		{"type is missing", `{"access_token":"tok-%d","expires_in":3600}`, hour},
		{"scope is an array", `{"access_token":"tok-%d","scope":["read:customers"],"expires_in":3600}`, hour},
		{"scope is an object", `{"scope":{"read":"customers"},"access_token":"tok-%d","expires_in":3600}`, hour},
		{"other tokens of odd types", `{"id_token":7,"refresh_token":[null],"access_token":"tok-%d","expires_in":3600}`, hour},
		{"error is null", `{"error":null,"access_token":"tok-%d","expires_in":3600}`, hour},
		{"error is empty", `{"error":"","access_token":"tok-%d","expires_in":3600}`, hour},
		{"error is false", `{"error":false,"access_token":"tok-%d","expires_in":3600}`, hour},
		{"keys in other case", `{"Access_Token":"tok-%d","EXPIRES_IN":3600.0}`, hour},
		{"escaped keys", `{"\u0061ccess_token":"tok-%d","expires\u005fin":3600}`, hour},
		{"token in spaces", `{"access_token":" tok-%d\r\n","expires_in":3600}`, hour},
		{"escaped token", `{"access_token":"tok\u002d%d","expires_in":3600}`, hour},
		{"life twice, then empty", `{"access_token":"tok-%d","expires_in":3600,"expires_in":""}`, hour},
		{"life twice", `{"access_token":"tok-%d","expires_in":60,"expires_in":"3600.0"}`, hour},
		{"token twice, then null", `{"access_token":"tok-%d","expires_in":3600,"access_token":null}`, hour},
		{"token twice", `{"access_token":"old","access_token":"tok-%d","expires_in":3600}`, hour},
		{"invalid UTF-8 in another field", "{\"scope\":\"\xff\",\"access_token\":\"tok-%d\",\"expires_in\":3600}", hour},
		{"byte order mark", "\xef\xbb\xbf" + stating("3600.0"), hour},
		{"white space around", "\r\n " + stating("3600.0") + "\r\n", hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := &tokenServer{body: tt.body}
				var sent string
				a := wired(t, wire{token: o.token, answer: func(r *http.Request) (*http.Response, error) {
					sent = r.Header.Get("Authorization")
					return anyClient(r)
				}})
				for i, step := range []struct {
					wait   time.Duration
					issued int
				}{{0, 1}, {time.Second, 1}, {tt.life - 2*time.Second, 1}, {time.Second, 2}, {0, 2}} {
					time.Sleep(step.wait)
					if _, err := a.Client(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
					if want := fmt.Sprintf("Bearer tok-%d", step.issued); o.issued != step.issued || sent != want {
						t.Errorf("step %d: %d tokens, want %d; sent %q", i, o.issued, step.issued, sent)
					}
				}
			})
		})
	}
}
