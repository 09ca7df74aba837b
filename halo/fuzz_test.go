package halo

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/plaintext"
)

// FuzzTokenAnswer checks that a token call returns either a token that can be
// sent in a header unchanged and is kept for a limited time, or an error that
// shows no token.
func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"canary-token","token_type":"Bearer","expires_in":3600}`, `{"access_token":"canary\r\nX: 1"}`,
		`{"access_token":"canary-token","error":"invalid_client"}`, `{"error":"invalid_scope"}`, `"canary-token"`, `canary-token`,
		`{"access_token":["canary-token"]}`, `{"access_token":"canary-token","expires_in":-1e99}`, "<title>canary-title</title>", "",
		`{"access_token":"canary-token","token_type":"\u0000","expires_in":"9223372036854775807"}`,
		`{"access_token":" canary-token\n","expires_in":3.6e3}`, `{"ACCESS_TOKEN":"x","access_token":"canary-token","expires_in":[],"scope":[{}]}`,
		"\xef\xbb\xbf" + `{"access_token":"canary-token","expires_in":"3600.0","error":null}`, `{"access_token":"canary-token"`,
	} {
		f.Add(200, seed)
		f.Add(401, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 100 + (status%500+500)%500
		var sent string
		a := wired(t, wire{
			token: func(*http.Request) (*http.Response, error) { return reply(status, body), nil },
			answer: func(r *http.Request) (*http.Response, error) {
				sent = r.Header.Get("Authorization")
				return reply(200, `[]`), nil
			},
		}, func(c *Config) { c.RetryBudget = 1 })
		start := time.Now()
		_, err := a.Page(t.Context(), Query{}, 1)
		if kept := a.tokens.current.renewAt.Sub(start); err == nil && (kept < minLife*9/10 || kept > maxLife+time.Hour) {
			t.Errorf("%q: kept for %v", body, kept)
		}
		token, is := strings.CutPrefix(sent, "Bearer ")
		switch {
		case err == nil:
			if !is || !sendable(token) || token == "" || status/100 != 2 {
				t.Errorf("status %d: sent %+q", status, sent)
			}
		case sent != "":
			t.Errorf("sent %+q despite the error %v", sent, err)
		default:
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Op != OpToken || plaintext.PrintableLines(err.Error()) != err.Error() || len(err.Error()) > 2000 {
				t.Errorf("error %+q", err)
			}
			var said struct {
				Token string `json:"access_token"`
			}
			if _ = json.Unmarshal([]byte(body), &said); status/100 == 2 && len(said.Token) > 8 && strings.Contains(err.Error(), said.Token) {
				t.Errorf("the error shows the token: %+q", err)
			}
		}
	})
}

// FuzzParseAllow checks that an accepted list allows nothing beyond its entries, and
// never a metadata service.
func FuzzParseAllow(f *testing.F) {
	for _, seed := range []string{
		"halo.local", "127.0.0.1", "10.0.0.0/8", "::1", "[::1]:8085", "127.0.0.1:8085", "::ffff:10.0.0.0/104", "0.0.0.0/0", "a b", "host:0",
		"fe80::1%eth0", "büro", "http://x", "HALO.Local.", "10.0.0.0/8,halo.local", "0x7f.1", "1/1", "/", ":", ".", "::ffff:127.0.0.1",
		"169.254.0.0/16,fd00::/8", "0.0.0.0/0,::/0", "169.254.169.254", "[fd00:ec2::254]:443",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := strings.Split(text, ",")
		allow, err := ParseAllow(list)
		if err != nil {
			if allow != nil {
				t.Error("ParseAllow returned both a list and an error")
			}
			return
		}
		again, err := ParseAllow(append(list, list...))
		if err != nil {
			t.Errorf("%q twice: %v", text, err)
		}
		for _, ip := range []string{"127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "93.184.215.14"} {
			addr := netip.MustParseAddr(ip)
			if allow.addr(addr, 443) != again.addr(addr, 443) {
				t.Errorf("%q: listing every entry twice changes the result for %s", text, ip)
			}
			if allow.addr(addr, 443) && !strings.ContainsAny(text, ".:") {
				t.Errorf("%q allows %s", text, ip)
			}
		}
		for _, ip := range metadata {
			for _, to := range spellings(ip) {
				if err := allow.check(ip.String(), netip.AddrPortFrom(to, 443)); err == nil {
					t.Errorf("%q allows %s", text, to)
				}
			}
		}
		if allow.name("somewhere.else.example", 443) && !strings.Contains(strings.ToLower(text), "somewhere.else.example") {
			t.Errorf("%q allows another name", text)
		}
	})
}

// FuzzCheckHeader checks that an accepted header changes no other header of a
// request, and that net/http sends it unchanged.
func FuzzCheckHeader(f *testing.F) {
	for _, seed := range []struct{ name, value string }{
		{"X-Gateway-Key", "k3y"}, {"Host", "x"}, {"authorization", "Bearer x"}, {"X: y", "z"}, {"X-A", "b\r\nX-C: d"}, {"", ""}, {"X-A", "ä"},
		{"content-length", "0"}, {"Transfer-Encoding", "chunked"}, {"X-A\x00", "b"}, {"!#$%&'*+-.^_`|~", "~"}, {"X-A", " b"}, {"X_A", "a b"}, {"ſ", "x"},
	} {
		f.Add(seed.name, seed.value)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if err := CheckHeader(name, value); err != nil {
			if len(value) > 60 && strings.Contains(err.Error(), value) {
				t.Errorf("the error quotes the value: %v", err)
			}
			return
		}
		got := map[string]http.Header{}
		a := wired(t, headerWire(func(r *http.Request) { got[r.URL.Path] = r.Header }), func(c *Config) { c.HeaderName, c.HeaderValue = name, value })
		if _, err := a.Client(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		plain := map[string]http.Header{}
		a = wired(t, headerWire(func(r *http.Request) { plain[r.URL.Path] = r.Header }))
		if _, err := a.Client(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		for path, header := range plain {
			if header.Get(name) != "" {
				t.Errorf("%q replaces a header", name)
			}
			header.Set(name, value)
			if !maps.EqualFunc(got[path], header, slices.Equal) {
				t.Errorf("%q: %q: headers %q, want %q", name, path, got[path], header)
			}
			var sent strings.Builder
			if err := header.Write(&sent); err != nil || strings.Count(sent.String(), "\r\n") != len(header) || !strings.Contains(sent.String(), ": "+value+"\r\n") {
				t.Errorf("%q: %q is sent as %q", name, value, sent.String())
			}
		}
	})
}
