package halo

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func mustAllow(t testing.TB, list ...string) *Allow {
	t.Helper()
	allow, err := ParseAllow(list)
	if err != nil {
		t.Fatal(err)
	}
	return allow
}

func TestParseResourceServer(t *testing.T) {
	t.Parallel()
	allow := mustAllow(t, "halo.local", "127.0.0.1", "10.0.0.0/8", "::1", "only.local:8080")
	tests := []struct{ in, want string }{
		{"acme.halopsa.com", "https://acme.halopsa.com/api"},
		{"  ACME.HaloPSA.com. ", "https://acme.halopsa.com/api"},
		{"acme.halopsa.com/", "https://acme.halopsa.com/api"},
		{"acme.halopsa.com/api", "https://acme.halopsa.com/api"},
		{"acme.halopsa.com/API//", "https://acme.halopsa.com/API"},
		{"https://acme.halopsa.com/api/api/", "https://acme.halopsa.com/api"},
		{"https://acme.halopsa.com/Api/API/api", "https://acme.halopsa.com/Api"},
		{"HTTPS://ACME.halopsa.com/Halo/API", "https://acme.halopsa.com/Halo/API"},
		{"HTTPS://acme.halopsa.com//api", "https://acme.halopsa.com/api"},
		{"https://psa.example.com/halo", "https://psa.example.com/halo/api"},
		{"https://psa.example.com:8443/halo/api", "https://psa.example.com:8443/halo/api"},
		{"https://psa.example.com:443", "https://psa.example.com/api"},
		{"xn--bcher-kva.example", "https://xn--bcher-kva.example/api"},
		{"10.1.2.3", "https://10.1.2.3/api"},
		{"[2606:4700:0::1]:8443", "https://[2606:4700::1]:8443/api"},
		{"http://halo.local", "http://halo.local/api"},
		{"http://halo.local:80/api", "http://halo.local/api"},
		{"http://halo.local:8080", "http://halo.local:8080/api"},
		{"http://127.0.0.1:1234/api", "http://127.0.0.1:1234/api"},
		{"http://10.9.8.7", "http://10.9.8.7/api"},
		{"http://[::1]:99", "http://[::1]:99/api"},
		{"http://only.local:8080", "http://only.local:8080/api"},
	}
	for _, tt := range tests {
		if got, err := ParseResourceServer(tt.in, allow); err != nil || got != tt.want {
			t.Errorf("%q: %q, error %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseAuthServer(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"acme.halopsa.com", "https://acme.halopsa.com/auth"},
		{"https://acme.halopsa.com/auth/", "https://acme.halopsa.com/auth"},
		{"https://acme.halopsa.com/auth/token", "https://acme.halopsa.com/auth"},
		{"https://acme.halopsa.com/auth/auth", "https://acme.halopsa.com/auth"},
		{"acme.example.com/halo", "https://acme.example.com/halo/auth"},
		{"ACME.example.com/AUTH", "https://acme.example.com/AUTH"},
		{"acme.example.com/AUTH/auth/", "https://acme.example.com/AUTH"},

		// An address that ends in /token stays as it is.
		{"https://acme.example.com/token", "https://acme.example.com/token"},
		{"https://acme.example.com//token//", "https://acme.example.com/token"},
		{"ACME.example.com/TOKEN", "https://acme.example.com/TOKEN"},
		{"acme.example.com/auth/Token", "https://acme.example.com/auth/Token"},
		{"acme.example.com/Auth/token", "https://acme.example.com/Auth"}, // the same address
		{"acme.example.com/auth/auth/token", "https://acme.example.com/auth/auth/token"},
		{"acme.example.com/halo/connect/token", "https://acme.example.com/halo/connect/token"},
		{"acme.example.com/api/token", "https://acme.example.com/api/token"},
		{"acme.example.com:8443/token", "https://acme.example.com:8443/token"},
		{"token", "https://token/auth"}, // a host
	}
	for _, tt := range tests {
		if got, err := ParseAuthServer(tt.in, nil); err != nil || got != tt.want {
			t.Errorf("%q: %q, error %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestAuthServers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"acme.halopsa.com":                 "/auth /token",
		"acme.halopsa.com/":                "/auth /token",
		"acme.halopsa.com/auth/":           "/auth /token",
		"acme.halopsa.com/AUTH":            "/AUTH /token /auth",
		"acme.halopsa.com/auth/token":      "/auth",
		"acme.halopsa.com/token":           "/token",
		"acme.halopsa.com/halo":            "/halo/auth /halo/token /token /auth",
		"acme.halopsa.com/halo/auth":       "/halo/auth /halo/token /token /auth",
		"acme.halopsa.com/halo/auth/token": "/halo/auth",
		"acme.halopsa.com/halo/token":      "/halo/token",
	} {
		all, err := AuthServers(in, nil)
		if got := strings.ReplaceAll(strings.Join(all, " "), "https://acme.halopsa.com", ""); err != nil || got != want {
			t.Errorf("%s: %s, error %v; want %s", in, got, err, want)
		}
	}
}

// Addresses stored by earlier versions still lead to the same token endpoint.
func TestTokenURL(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		"https://acme.halopsa.com/auth":         "https://acme.halopsa.com/auth/token",
		"https://acme.halopsa.com/AUTH":         "https://acme.halopsa.com/AUTH/token",
		"https://acme.halopsa.com/halo/auth":    "https://acme.halopsa.com/halo/auth/token",
		"https://acme.halopsa.com/token/auth":   "https://acme.halopsa.com/token/auth/token",
		"https://acme.halopsa.com/token":        "https://acme.halopsa.com/token",
		"https://acme.halopsa.com/Token":        "https://acme.halopsa.com/Token",
		"https://acme.halopsa.com/mytoken":      "https://acme.halopsa.com/mytoken/token",
		"https://acme.halopsa.com/auth/x/token": "https://acme.halopsa.com/auth/x/token",
		"https://token":                         "https://token/token",
		"http://[::1]:8080/token":               "http://[::1]:8080/token",
	} {
		if got := TokenURL(stored); got != want {
			t.Errorf("%s: %s, want %s", stored, got, want)
		}
	}
}

func TestParseServerRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"", "missing"},
		{"   ", "missing"},
		{"http://acme.halopsa.com", "plain http"},
		{"http://only.local:81", "plain http"},
		{"ftp://acme.halopsa.com", "not an https URL"},
		{"file:///etc/passwd", "not an https URL"},
		{"javascript://x", "not an https URL"},
		{"javascript:alert(1)", "not a URL"},
		{"https://user:pw@acme.halopsa.com", "user name"},
		{"user@acme.halopsa.com", "user name"},
		{"acme.halopsa.com?tenant=x", "query"},
		{"acme.halopsa.com#x", "fragment"},
		{"acme.halopsa.com/a b", "space"},
		{"acme\n.halopsa.com", "control"},
		{`https:\\acme.halopsa.com`, "backslash"},
		{"bücher.example", "xn--"},
		{"acme.halopsa.com:0", "port"},
		{"acme.halopsa.com:99999", "port"},
		{"acme.halopsa.com:", "port"},
		{"acme.halopsa.com:x", "not a URL"},
		{"https://", "host is missing"},
		{"https://:443", "host is missing"},
		{"acme..com", "empty part"},
		{"acme.com/../x", "relative"},
		{"acme.com/%2e%2e", "letters, digits"},
		{"acme.com/ä", "letters, digits"},
		{"acme$.com", "contains"},
		{"[fe80::1%25eth0]", "IP address"},
		{"acme.halopsa.com/auth", "ends in /auth"},
		{"acme.halopsa.com/AUTH/", "ends in /auth"},
		{"acme.halopsa.com/auth/token", "ends in /token"},
		{"acme.halopsa.com/Token", "ends in /token"},
		{strings.Repeat("a", 1001), "longer"},
		{strings.Repeat("a", 64) + ".com", "63"},
		{strings.Repeat("a.", 130) + "com", "253"},
	}
	allow := mustAllow(t, "only.local:8080")
	for _, tt := range tests {
		got, err := ParseResourceServer(tt.in, allow)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %q, error %v; want an error with %q", tt.in, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: error shows the password: %v", tt.in, err)
		}
	}
	if _, err := ParseAuthServer("acme.halopsa.com/api", nil); err == nil || !strings.Contains(err.Error(), "ends in /api") {
		t.Errorf("resource server as authorisation server: error %v", err)
	}
}

func TestParseAllow(t *testing.T) {
	t.Parallel()
	allow := mustAllow(t, " Halo.Example.local. ", "", "psa:8443", "10.0.0.0/8", "127.0.0.1:8085", "fd00::/8", "[::1]:99", "::2", "[::3]", "::ffff:192.168.1.1")
	tests := []struct {
		host string
		port uint16
		want bool
	}{
		{"halo.example.local", 443, true}, {"HALO.example.local.", 1, true}, {"x.halo.example.local", 443, false},
		{"psa", 8443, true}, {"psa", 443, false},
		{"10.255.0.1", 80, true}, {"11.0.0.1", 80, false},
		{"127.0.0.1", 8085, true}, {"127.0.0.1", 6379, false}, {"::ffff:127.0.0.1", 8085, true},
		{"fd12::1", 1, true}, {"::1", 99, true}, {"::1", 98, false}, {"::2", 98, true}, {"::3", 98, true},
		{"192.168.1.1", 1, true}, {"192.168.1.2", 1, false},
	}
	for _, tt := range tests {
		if got := allow.host(tt.host, tt.port); got != tt.want {
			t.Errorf("%s port %d: %t", tt.host, tt.port, got)
		}
	}
	var none *Allow
	if none.host("localhost", 80) || none.host("127.0.0.1", 80) || none.addr(netip.MustParseAddr("10.0.0.1"), 1) {
		t.Error("a nil list allows something")
	}

	_, err := ParseAllow([]string{"ok", "10.0.0.0/99", "a b", "host:0", "fe80::1%eth0", "büro", "http://x"})
	if err == nil {
		t.Fatal("faults accepted")
	}
	for _, bad := range []string{`"10.0.0.0/99"`, `"a b"`, `"host:0"`, `"fe80::1%eth0"`, `"büro"`, `"http://x"`} {
		if !strings.Contains(err.Error(), bad) {
			t.Errorf("error %q does not mention %s", err, bad)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{
		"acme.halopsa.com", "https://a.b:8443/api/api/", "http://halo.local/x", "[::1]:1", "a/auth/token/token", "user:pw@x",
		"https://x/API/api", "//x", "x:1/y", "1.2.3.4:5", "x/%61pi", "https://[::ffff:1.2.3.4]", "https://x./api",
		"a/token", "a/AUTH/token", "a/auth/auth/token", "a/Token/auth", "token/token/",
	} {
		f.Add(seed)
	}
	for _, tt := range hostile {
		f.Add(tt.address)
	}
	allow := mustAllow(f, "halo.local", "127.0.0.0/8")
	f.Fuzz(func(t *testing.T, in string) {
		for _, parse := range []func(string, *Allow) (string, error){ParseResourceServer, ParseAuthServer} {
			got, err := parse(in, allow)
			if err != nil {
				continue
			}
			if again, err := parse(got, allow); err != nil || again != got {
				t.Errorf("%q parses to %q, which parses to %q, error %v", in, got, again, err)
			}
			u, err := url.Parse(got)
			if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host != strings.ToLower(u.Host) {
				t.Errorf("%q: %q, error %v", in, got, err)
			}
			host := u.Hostname()
			ip, err := netip.ParseAddr(host)
			if _, odd := unusualIPv4(host); err != nil && odd || err == nil && !allow.addr(ip, 1) && public.SafeAddr(ip) != nil {
				t.Errorf("%q: %q", in, got)
			}
			if err := checkBase(got); err != nil {
				t.Errorf("%q: New would refuse %q: %v", in, got, err)
			}
			if all, err := AuthServers(got, allow); err == nil {
				for _, other := range all {
					if again, err := ParseAuthServer(other, allow); err != nil || again != other || !strings.HasPrefix(other, u.Scheme+"://"+u.Host+"/") {
						t.Errorf("%q: the spelling %q parses to %q, error %v", in, other, again, err)
					}
				}
			}
			if strings.HasPrefix(got, "http://") && !strings.HasPrefix(u.Host, "halo.local") && !strings.HasPrefix(u.Host, "127.") && !strings.Contains(u.Host, "ffff:127.") && !strings.Contains(u.Host, "ffff:7f") {
				t.Errorf("%q: plain http to %q", in, u.Host)
			}
		}
	})
}
