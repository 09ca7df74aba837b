package halo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// headerWire answers token calls and reads, and passes each request to the function seen.
func headerWire(seen func(*http.Request)) wire {
	return wire{
		token: func(r *http.Request) (*http.Response, error) {
			seen(r)
			return reply(200, fmt.Sprintf(hourToken, 1)), nil
		},
		answer: func(r *http.Request) (*http.Response, error) {
			seen(r)
			return anyClient(r)
		},
	}
}

// The header is sent with every request: token calls, reads, and requests repeated after
// the token is revoked or a request fails.
func TestOwnHeaderIsAlwaysSent(t *testing.T) {
	t.Parallel()
	var calls []string
	revoked, failed := false, false
	w := wire{
		token: func(r *http.Request) (*http.Response, error) {
			calls = append(calls, "token "+r.Header.Get("x-gateway-key"))
			return reply(200, fmt.Sprintf(hourToken, len(calls))), nil
		},
		answer: func(r *http.Request) (*http.Response, error) {
			calls = append(calls, "read "+r.Header.Get("x-gateway-key"))
			switch {
			case !revoked:
				revoked = true
				return reply(401, ""), nil
			case !failed:
				failed = true
				return reply(503, ""), nil
			}
			return anyClient(r)
		},
	}
	a := wired(t, w, func(c *Config) { c.HeaderName, c.HeaderValue = "x-gateway-KEY", "k3y" })
	a.jitter = noWait
	if _, err := a.Client(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(calls, ", "); got != "token k3y, read k3y, token k3y, read k3y, read k3y" {
		t.Errorf("requests: %s", got)
	}
}

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-Gateway-Key", "cf-access-client-secret", "X_Key", "Ocp-Apim-Subscription-Key", "Cookie", "Accept-Language", "Forwarded", "k"} {
		if err := CheckHeader(name, "a value; with=punctuation, \"quotes\""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, why := range map[string]string{
		"": "name is missing", "X Key": "contains something other", "X-Kéy": "contains something other", "X-Key:": "a colon", "X-Key: k3y": "a colon",
		"X\r\nY": "contains something other", "X\x00": "contains something other", "(X)": "contains something other", strings.Repeat("x", 101): "longer than 100",
		"Host": "is Host", "HOST": "is Host", "authorization": "is Authorization", "User-agent": "is User-Agent", "Accept": "is Accept", "accept-encoding": "is Accept-Encoding",
		"Content-Length": "begins with Content-", "content-type": "begins with Content-", "Content-Encoding": "begins with Content-",
		"Connection": "is Connection", "Keep-Alive": "is Keep-Alive", "te": "is TE", "Trailer": "is Trailer", "Transfer-Encoding": "is Transfer-Encoding",
		"Upgrade": "is Upgrade", "Expect": "is Expect", "Proxy-Authorization": "begins with Proxy-", "proxy-connection": "begins with Proxy-", "HTTP2-Settings": "is HTTP2-Settings",
		"If-None-Match": "begins with If-", "Range": "is Range", "X-HTTP-Method-Override": "is X-HTTP-Method-Override", ":authority": "a colon",
	} {
		if err := CheckHeader(name, "k3y-value"); err == nil || !strings.Contains(err.Error(), "the header's name ") || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "k3y-value") {
			t.Errorf("%q: error %v", name, err)
		}
	}
	for value, why := range map[string]string{
		"": "is missing", "a\nb": "a line break", "a\rb": "a line break", "k3y\r\nHost: x": "a line break", "a\x00b": "a control character", "a\tb": "a control character",
		"schlüssel": "outside ASCII", "a\x7f": "a control character", " a": "a space", "a ": "a space", strings.Repeat("x", 4001): "longer than 4000",
	} {
		err := CheckHeader("X-Key", value)
		if err == nil || !strings.Contains(err.Error(), "the header's value ") || !strings.Contains(err.Error(), why) || len(value) > 4 && strings.Contains(err.Error(), value) {
			t.Errorf("%q: error %v", value, err)
		}
	}
	for _, h := range []struct{ name, value string }{{"Host", "x"}, {"", "x"}, {"X-Key", ""}, {"X-Key", "a\nb"}} {
		if _, err := New(Config{
			ResourceServer: "https://h/api", AuthServer: "https://h/auth", ClientID: "a", ClientSecret: "s", HeaderName: h.name, HeaderValue: h.value,
		}); err == nil {
			t.Errorf("New accepts %q with the value %q", h.name, h.value)
		}
	}
}

// No printed form of the configuration and no error contains the value, even
// if the server quotes it.
func TestOwnHeaderIsHidden(t *testing.T) {
	t.Parallel()
	const value = "gate-k3y-value"
	cfg := Config{
		ResourceServer: "https://halo.test/api", AuthServer: "https://halo.test/auth", ClientID: "app", ClientSecret: testSecret,
		HeaderName: "X-Key", HeaderValue: value,
		Transport: wire{token: func(r *http.Request) (*http.Response, error) {
			return reply(400, "rejected: "+r.Header.Get("X-Key")), nil
		}},
	}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	shown := string(encoded) + fmt.Sprintf("%v %+v %#v %s %q %x", cfg, cfg, cfg, cfg, cfg, cfg)
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Client(t.Context(), 1)
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("error %v", err)
	}
	shown += fmt.Sprintf("%v %+v %#v %v %+v", err, err, a, a.cfg, a.header)
	if strings.Contains(shown, value) || strings.Contains(shown, fmt.Sprintf("%x", value)) || !strings.Contains(shown, "rejected: [hidden]") {
		t.Errorf("shown: %s", shown)
	}
}
