package access

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// proxiesFor parses trusted proxies for a test.
func proxiesFor(tb testing.TB, list ...string) proxies {
	tb.Helper()
	p, err := ParseProxies(list)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// The client is the last address that is not a trusted proxy. Only trusted
// proxies are believed, and no client can choose its address.
func TestWhereARequestComesFrom(t *testing.T) {
	t.Parallel()
	trusted := proxiesFor(t, "127.0.0.1", "::1", "10.0.0.0/8", "2001:db8:ffff::/48")
	for _, c := range []struct{ peer, xff, forwarded, client string }{
		{"203.0.113.9:1", "", "", "203.0.113.9/32"},
		{"[2001:db8:1:2:3:4:5:6]:1", "", "", "2001:db8:1:2::/64"},
		{"[::ffff:203.0.113.9]:1", "", "", "203.0.113.9/32"},
		{"@", "198.51.100.1", "", "invalid Prefix"},
		// One proxy.
		{"127.0.0.1:1", "203.0.113.9", "", "203.0.113.9/32"},
		{"[::1]:1", "2001:db8:1:2::9", "", "2001:db8:1:2::/64"},
		{"10.0.0.1:1", "", `for=203.0.113.9;proto=https`, "203.0.113.9/32"},
		{"10.0.0.1:1", "", `For="[2001:db8:1:2::9]:4711"`, "2001:db8:1:2::/64"},
		{"10.0.0.1:1", "203.0.113.9:4711", "", "203.0.113.9/32"},
		{"10.0.0.1:1", "203.0.113.9", "for=203.0.113.9", "203.0.113.9/32"},
		// Two proxies in a row, and one that names itself.
		{"10.0.0.1:1", "203.0.113.9, 10.1.2.3", "", "203.0.113.9/32"},
		{"10.0.0.1:1", "203.0.113.9,10.1.2.3 , 127.0.0.1", "", "203.0.113.9/32"},
		{"10.0.0.1:1", "", "for=203.0.113.9, for=10.1.2.3", "203.0.113.9/32"},
		// Everything to the left of the client is made up.
		{"10.0.0.1:1", "127.0.0.1, 198.51.100.1, 203.0.113.9", "", "203.0.113.9/32"},
		{"10.0.0.1:1", "10.9.9.9, 203.0.113.9, 10.1.2.3", "", "203.0.113.9/32"},
		{"10.0.0.1:1", "", `for="198.51.100.1;for=1.2.3.4", for=203.0.113.9`, "203.0.113.9/32"},
		// A client cannot hide what the proxy appends.
		{"10.0.0.1:1", "", `for=198.51.100.1;x=", for=203.0.113.9`, "10.0.0.1/32"},
		{"10.0.0.1:1", "", `for=198.51.100.1;x=", for="[2001:db8:1:2::9]"`, "10.0.0.1/32"},
		{"10.0.0.1:1", "203.0.113.9", "for=198.51.100.1", "10.0.0.1/32"}, // the proxy passes one of them through
		// What is not an address ends the chain.
		{"10.0.0.1:1", "198.51.100.1, nonsense", "", "10.0.0.1/32"},
		{"10.0.0.1:1", "198.51.100.1, unknown, 10.1.2.3", "", "10.1.2.3/32"},
		{"10.0.0.1:1", "", "for=_hidden", "10.0.0.1/32"},
		{"10.0.0.1:1", "", "proto=https", "10.0.0.1/32"},
		{"10.0.0.1:1", ",,", "", "10.0.0.1/32"},
		// All are proxies.
		{"10.0.0.1:1", "10.0.0.2, 10.0.0.3", "", "10.0.0.2/32"},
		// A peer that is not trusted is the client.
		{"203.0.113.9:1", "198.51.100.1", "for=198.51.100.1", "203.0.113.9/32"},
		{"192.168.0.1:1", "198.51.100.1", "", "192.168.0.1/32"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		if c.xff != "" {
			r.Header.Set("X-Forwarded-For", c.xff)
		}
		if c.forwarded != "" {
			r.Header.Set("Forwarded", c.forwarded)
		}
		if got := network(trusted.client(r)).String(); got != c.client {
			t.Errorf("%+v: client %v", c, got)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header["X-Forwarded-For"] = []string{"198.51.100.1", "203.0.113.9", "10.1.2.3"} // one line for each proxy
	if got := trusted.client(r); got.String() != "203.0.113.9" {
		t.Errorf("several lines: %v", got)
	}
	if got := proxies(nil).client(r); got.String() != "10.0.0.1" {
		t.Errorf("without trusted proxies: %v", got)
	}
}

func TestParseProxies(t *testing.T) {
	t.Parallel()
	got, err := ParseProxies([]string{"10.1.2.3/8", " 192.0.2.1", "::1", "2001:db8::/32"})
	want := []string{"10.0.0.0/8", "192.0.2.1/32", "::1/128", "2001:db8::/32"}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if err != nil || !slices.Equal(texts, want) {
		t.Errorf("%v, %v", texts, err)
	}
	for _, text := range []string{"", "localhost", "10.0.0.0/33", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "10.0.0.1:80", "*"} {
		if got, err := ParseProxies([]string{text}); err == nil {
			t.Errorf("%q gives %v", text, got)
		}
	}
}

// A key is not accepted if others could read it on its way.
func TestExposedKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		peer    string
		header  map[string]string
		exposed bool
	}{
		"the machine itself":                  {"127.0.0.1:1", nil, false},
		"the machine itself, IPv6":            {"[::1]:1", nil, false},
		"a pod":                               {"10.9.0.1:1", nil, false},
		"a pod with an address of the cloud":  {"100.64.3.4:1", nil, false},
		"a unique local address":              {"[fd00::1]:1", nil, false},
		"the internet":                        {"203.0.113.9:1", nil, true},
		"the internet, IPv6":                  {"[2001:db8::1]:1", nil, true},
		"an unknown address":                  {"@", nil, true},
		"the internet that claims TLS":        {"203.0.113.9:1", map[string]string{"X-Forwarded-Proto": "https"}, true},
		"a trusted proxy with TLS":            {"192.0.2.1:1", map[string]string{"X-Forwarded-Proto": "https"}, false},
		"a trusted proxy with TLS, RFC 7239":  {"192.0.2.1:1", map[string]string{"Forwarded": "for=203.0.113.9;proto=HTTPS"}, false},
		"a trusted proxy without TLS":         {"192.0.2.1:1", map[string]string{"X-Forwarded-Proto": "http"}, true},
		"a trusted proxy behind one with TLS": {"192.0.2.1:1", map[string]string{"X-Forwarded-Proto": "https, http"}, false},
		"a trusted proxy that says nothing":   {"192.0.2.1:1", nil, false},
	} {
		g := &Guard{proxies: proxiesFor(t, "192.0.2.1")}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		for n, v := range c.header {
			r.Header.Set(n, v)
		}
		if got := g.exposed(r); got != c.exposed {
			t.Errorf("%s: exposed %v", name, got)
		}
	}
}

// FuzzForwarded checks that a client cannot choose its address: whatever it
// sends, the address that the proxy has appended counts, or that of the proxy.
func FuzzForwarded(f *testing.F) {
	f.Add("127.0.0.1, 10.0.0.1", `for="[2001:db8::1]:80";proto=https`)
	f.Add(`"`, `for=1.2.3.4;x="`)
	f.Add("[::1", `for="\"";for=a,b;;=`)
	f.Fuzz(func(t *testing.T, xff, sent string) {
		trusted := proxiesFor(t, "10.0.0.0/8")
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, c := range []struct{ header, appended string }{
			{"X-Forwarded-For", strings.TrimSpace(xff) + ", 203.0.113.9"},
			{"Forwarded", strings.TrimSpace(sent) + `, for=203.0.113.9`},
		} {
			r.RemoteAddr, r.Header = "10.0.0.1:1", http.Header{c.header: {c.appended}}
			if got := trusted.client(r); got != netip.MustParseAddr("203.0.113.9") && got != netip.MustParseAddr("10.0.0.1") {
				t.Errorf("%q: client %v", c.appended, got)
			}
			trusted.encrypted(r)
		}
	})
}
