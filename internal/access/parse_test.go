package access

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
)

func TestParseSecrets(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 32), strings.Repeat("b", 40)
	all, err := ParseSecrets(secret.NewString(a + " , " + b))
	if err != nil || len(all) != 2 || all[0].Reveal() != a || all[1].Reveal() != b {
		t.Errorf("%d secrets, %v", len(all), err)
	}
	if all, err := ParseSecrets(secret.String{}); all != nil || err != nil {
		t.Errorf("none: %v, %v", all, err)
	}
	for _, text := range []string{"short", a + ",", a + ",short", ","} {
		if _, err := ParseSecrets(secret.NewString(text)); err == nil || strings.Contains(err.Error(), "short") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// evilOrigins are values that would add more than an origin to the policy.
var evilOrigins = []string{
	"*", "https://*", "https://*.example.com", "app.example.com", "https:", "https://", "http://app.example.com", "https://app.example.com/path", "https://a.example; script-src *",
	"https://a.example https://b.example", "'self'", "https://user@a.example", "https://a.example?x", "https://a.example#x", "data:", "https://a.example:x", "https://[::1]", "https://a.example\n", "https://\u00e4.example",
}

func TestParseOrigins(t *testing.T) {
	t.Parallel()
	got, err := ParseOrigins([]string{"https://App.Example.com/", " https://b.example:8443", "http://localhost:3000"})
	if want := "https://app.example.com https://b.example:8443 http://localhost:3000"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, origin := range evilOrigins {
		if origin == "https://a.example\n" {
			continue // surrounding spaces are harmless
		}
		if got, err := ParseOrigins([]string{origin}); err == nil {
			t.Errorf("%q gives %q", origin, got)
		}
	}
}

// FuzzParseOrigins checks that an accepted string adds exactly one word, an
// origin, to the policy.
func FuzzParseOrigins(f *testing.F) {
	for _, origin := range evilOrigins {
		f.Add(origin)
	}
	f.Add("https://app.example.com:8443/")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseOrigins([]string{text})
		if err != nil {
			return
		}
		u, err := url.Parse(got[0])
		if err != nil || u.Host == "" || u.Path != "" || strings.ContainsAny(got[0], " ;,*'\"\r\n") || len(strings.Fields(policy(got))) != len(strings.Fields(policy([]string{"https://x"}))) {
			t.Errorf("%q gives %q", text, got)
		}
	})
}

func TestParsePublicURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "https://Halosync.Example/": "https://halosync.example", "https://h.example:443": "https://h.example",
		"https://h.example:8443": "https://h.example:8443", "http://localhost:8080": "http://localhost:8080", "http://localhost:80": "http://localhost",
	} {
		if got, err := ParsePublicURL(text); err != nil || got != want {
			t.Errorf("%q gives %q, %v", text, got, err)
		}
	}
	for _, text := range evilOrigins {
		if got, err := ParsePublicURL(text); err == nil && strings.TrimSpace(text) == text {
			t.Errorf("%q gives %q", text, got)
		}
	}
}

// FuzzParseKey checks that each key has only one spelling.
func FuzzParseKey(f *testing.F) {
	f.Add(keyMark + strings.Repeat("0a", 16) + "_" + newProof())
	f.Add(keyMark + strings.Repeat("0a", 16) + "_" + strings.Repeat("\x00", 52))
	f.Add("hs__")
	f.Add(keyMark + strings.Repeat("zz", 16) + "_" + newProof())
	f.Fuzz(func(t *testing.T, text string) {
		id, proof, ok := parseKey(text)
		if ok && (!isProof(proof) || !strings.EqualFold(keyMark+hex.EncodeToString(id[:])+"_"+proof, text)) {
			t.Errorf("%q is %v and %q", text, id, proof)
		}
	})
}

// FuzzReadToken checks that no string is a valid token unless it is signed with
// the secret. A signed token is valid only if its payload follows the rules.
func FuzzReadToken(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	secrets := []secret.String{secret.NewString(signinSecret)}
	f.Add("a.b.c", `{}`)
	f.Add("eyJhbGciOiJub25lIn0.e30.", `{"aud":"halosync","sub":"anna","tenant":"acme","scope":"read","iat":1800000000,"exp":1800000300,"jti":"1"}`)
	f.Add("", `{"aud":["halosync","x"],"sub":"\u0000","tenant":"*","scope":"admin","iat":1e300,"exp":-1,"jti":""}`)
	f.Add("a.b\n.c", `{"aud":"halosync","sub":"a","tenant":"t","TENANT":"u","tenant":"v","scope":"read","iat":1800000000,"exp":1800000300,"jti":"1"}`)
	f.Add("..", `{"aud":"halosync","sub":"a","tenant":"t","scope":"read","iat":9e18,"exp":9e18,"jti":"1"}`)
	f.Fuzz(func(t *testing.T, text, payload string) {
		if _, _, err := readToken(text, secrets, now); err == nil {
			t.Errorf("%q is a token", text)
		}
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		mac, err := jwt.SigningMethodHS256.Sign(head, []byte(signinSecret))
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := readToken(head+"."+base64.RawURLEncoding.EncodeToString(mac), secrets, now)
		if err == nil && (p.Tenant == "" || p.Tenant == "*" || plaintext.Check(p.Tenant+p.Actor) != nil || !p.Scope.Valid() || !jsontext.Value(payload).IsValid()) {
			t.Errorf("%s: %+v", payload, p)
		}
	})
}

// FuzzLocalPath checks that a browser stays on this host for any value of next.
func FuzzLocalPath(f *testing.F) {
	for _, next := range evilNexts {
		f.Add(next)
	}
	f.Add("/mappings?search=a%20b&page=2")
	f.Add("/%2Fevil.example/..//x")
	f.Add("/a/../..//evil.example")
	f.Fuzz(func(t *testing.T, next string) {
		got := localPath(next)
		// Read the address as browsers do: they drop some characters and treat
		// a backslash as a slash.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimLeft(got, " \x00"))
		base, _ := url.Parse("https://halosync.example/signin")
		to, err := base.Parse(seen)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || !strings.HasPrefix(got, "/") || strings.HasPrefix(seen, "//") || localPath(got) != got {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}
