package dial

import "testing"

// All spellings of an address are one instance with one budget.
func TestInstance(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"https://acme.halopsa.com/api":     "acme.halopsa.com",
		"https://ACME.halopsa.com:443/api": "acme.halopsa.com",
		"https://acme.halopsa.com./api":    "acme.halopsa.com",
		"https://halo.example:8443":        "halo.example:8443",
		"http://127.0.0.1:443/api":         "127.0.0.1:443",
		"acme.halopsa.com":                 "acme.halopsa.com",
	} {
		if got := Instance(domain, ""); got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
	if one, two := Instance("https://halo.example", "Acme"), Instance("https://halo.example/api", "acme"); one != two {
		t.Errorf("%s and %s", one, two)
	}
	if one, two := Instance("https://halo.example", "acme"), Instance("https://halo.example", "globex"); one == two {
		t.Errorf("two tenants are %s", one)
	}
}
